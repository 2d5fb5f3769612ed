/**
 * Downloads one model file to `<file>.part`, resuming an earlier attempt, verifies it and renames it.
 *
 * ```
 * requested --bytes arrive--> receiving --complete--> verified --> renamed
 *   |                           |                       +--other bytes after a resume--> requested again, from the
 * beginning
 *   |                           +--breaks off or stalls, with progress--> the rest is requested again
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
  /** Sources, tried in this order. */
  readonly urls: readonly string[];
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined;
  /** Called once if another process is already downloading this model, before waiting for it. */
  readonly onWait?: (() => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds without a byte after which a connection counts as broken. Default 30 s. */
  readonly stallAfter?: number | undefined;
}

/** Every source failed; the message has the reason for each. */
export class DownloadFailed extends Error {
  override readonly name = 'DownloadFailed';
}

/** The downloaded file was complete, but not the model. */
class WrongBytes extends Error {}

const CONNECT_TIMEOUT_MS = 5_000;
const HEADERS_TIMEOUT_MS = 15_000;
const STALL_TIMEOUT_MS = 30_000;
/** Maximum number of connections to one source, each of which brought some bytes. */
const MAX_CONNECTIONS = 50;

/**
 * Uses HTTP_PROXY, HTTPS_PROXY and NO_PROXY if they are set, like other tools. The client is loaded only for a
 * download: every task process and service imports this module, and nearly none of them downloads anything.
 */
const dispatcher = async (stallAfter: number): Promise<Dispatcher> => {
  const { EnvHttpProxyAgent } = await import('undici');
  const connect = { timeout: CONNECT_TIMEOUT_MS };
  const tls = { proxyTls: connect, requestTls: connect };
  return new EnvHttpProxyAgent({ connect, ...tls, bodyTimeout: stallAfter, headersTimeout: HEADERS_TIMEOUT_MS });
};

async function verifyPart(part: string, manifest: ModelManifest, signal: AbortSignal | undefined): Promise<void> {
  const { size } = await fsp.stat(part);
  if (size < manifest.size) throw new Error(`only ${size} of ${manifest.size} bytes were received`);
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

/** Requests the file from one source until it is complete and verified. @throws the error of the last connection */
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
 * Puts the file of a model at `target`.
 * @param present called again under the lock: another process may have been faster
 * @throws DownloadFailed
 */
export async function download(
  manifest: ModelManifest,
  target: string,
  present: () => Promise<boolean>,
  options: DownloadOptions,
): Promise<void> {
  // The lock only saves work: a file at the path of a model was verified and renamed by its writer.
  await withLock(`${target}.lock`, options, async () => {
    if (await present()) return;
    const part = `${target}.part`;
    const agent = await dispatcher(options.stallAfter ?? STALL_TIMEOUT_MS);
    const faults: string[] = [];
    try {
      for (const url of options.urls) {
        try {
          await fromSource(url, part, manifest, agent, options);
          await fsp.rename(part, target);
          return await dropPart(part);
        } catch (error) {
          options.signal?.throwIfAborted();
          if (unwritable(error) !== undefined) throw error; // another source would not help
          faults.push(`${new URL(url).host}: ${reason(error)}`);
        }
      }
    } finally {
      await agent.destroy();
    }
    throw new DownloadFailed(faults.join('; ') || 'no source is known');
  });
}
