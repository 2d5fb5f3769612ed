/**
 * Fetches one model file: to `<file>.part`, resumed where an earlier try stopped, verified, renamed.
 *
 * ```
 * asked --bytes come--> receiving --all there--> verified --> renamed
 *   |                      |                        +--other bytes after a resume--> asked again, from the beginning
 *   |                      +--breaks off or stalls, with progress--> asked again for the rest
 *   +--no answer, no progress, other bytes--> the next source; after the last one DownloadFailed
 * ```
 */

import fsp from 'node:fs/promises';
import type { ModelManifest } from '@cl-server/contract';
import { withLock } from '@cl-server/kit';
import type { Dispatcher } from 'undici';
import { dropPart, fetchPart } from './fetch-part.js';
import { unwritable } from './unwritable.js';
import { sha256File } from './verify.js';

export interface DownloadProgress {
  readonly received: number;
  readonly total: number;
}

export interface DownloadOptions {
  /** Tried in order. */
  readonly urls: readonly string[];
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined;
  /** Called once, where another process is fetching this model: it is waited for. */
  readonly onWait?: (() => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds without a byte after which a connection counts as broken. Default 30 s. */
  readonly stallAfter?: number | undefined;
}

/** Every source failed; the message says why each did. */
export class DownloadFailed extends Error {
  override readonly name = 'DownloadFailed';
}

/** The part was whole, and not the model. */
class WrongBytes extends Error {}

const CONNECT_TIMEOUT = 5_000;
const HEADERS_TIMEOUT = 15_000;
const STALL_AFTER = 30_000;
/** Connections to one source, each of which brought something. */
const MAX_CONNECTIONS = 50;

/**
 * Goes through HTTP_PROXY, HTTPS_PROXY and NO_PROXY where they are set, as other tools do. The client is loaded when
 * something is fetched: every task process and service has this module, nearly none of them ever fetches.
 */
const dispatcher = async (stallAfter: number): Promise<Dispatcher> => {
  const { EnvHttpProxyAgent } = await import('undici');
  const connect = { timeout: CONNECT_TIMEOUT };
  const tls = { proxyTls: connect, requestTls: connect };
  return new EnvHttpProxyAgent({ connect, ...tls, bodyTimeout: stallAfter, headersTimeout: HEADERS_TIMEOUT });
};

async function verifyPart(part: string, manifest: ModelManifest, signal: AbortSignal | undefined): Promise<void> {
  const { size } = await fsp.stat(part);
  if (size < manifest.size) throw new Error(`only ${size} of ${manifest.size} bytes came`);
  const sha256 = await sha256File(part, signal);
  if (sha256 === manifest.sha256) return;
  await dropPart(part);
  throw new WrongBytes(`the bytes have another SHA-256 (${sha256.slice(0, 12)}…)`);
}

const reason = (error: unknown): string => {
  const { message, cause } = error as Error & { cause?: { code?: string; message?: string } };
  return cause?.code ?? cause?.message ?? message;
};

const sizeOf = async (file: string): Promise<number> => (await fsp.stat(file).catch(() => undefined))?.size ?? 0;

/** Asks one source until the part is whole and verified. @throws what the last connection failed with */
async function fromSource(
  url: string,
  part: string,
  manifest: ModelManifest,
  agent: Dispatcher,
  { onProgress, signal }: DownloadOptions,
): Promise<void> {
  for (let connection = 1; ; connection++) {
    const before = await sizeOf(part);
    let from = 0;
    try {
      from = await fetchPart({
        url,
        part,
        manifest,
        dispatcher: agent,
        signal,
        onProgress: (received) => onProgress?.({ received, total: manifest.size }),
      });
      return await verifyPart(part, manifest, signal);
    } catch (error) {
      signal?.throwIfAborted();
      const mayGoOn = error instanceof WrongBytes ? from > 0 : (await sizeOf(part)) > before;
      if (!mayGoOn || connection >= MAX_CONNECTIONS) throw error;
    }
  }
}

/**
 * Puts a model's file at `target`.
 * @param present looked at again under the lock: another process may have been faster
 * @throws DownloadFailed
 */
export async function download(
  manifest: ModelManifest,
  target: string,
  present: () => Promise<boolean>,
  options: DownloadOptions,
): Promise<void> {
  // A courtesy: what lies at a model's path was verified and renamed by whoever wrote it.
  await withLock(`${target}.lock`, options, async () => {
    if (await present()) return;
    const part = `${target}.part`;
    const agent = await dispatcher(options.stallAfter ?? STALL_AFTER);
    const faults: string[] = [];
    try {
      for (const url of options.urls) {
        try {
          await fromSource(url, part, manifest, agent, options);
          await fsp.rename(part, target);
          return await dropPart(part);
        } catch (error) {
          options.signal?.throwIfAborted();
          if (unwritable(error) !== undefined) throw error; // no other source helps
          faults.push(`${new URL(url).host}: ${reason(error)}`);
        }
      }
    } finally {
      await agent.destroy();
    }
    throw new DownloadFailed(faults.join('; ') || 'no source is known');
  });
}
