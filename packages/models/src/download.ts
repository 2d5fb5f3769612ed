/**
 * Fetches one model file: to `<file>.part`, resumed where an earlier try stopped, verified, renamed. A lock file beside it
 * keeps two processes apart; the second waits and finds the first one's work.
 */
import fs from 'node:fs';
import fsp from 'node:fs/promises';
import path from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as pause } from 'node:timers/promises';
import type { ModelManifest } from '@cl-server/contract';
import { type Dispatcher, EnvHttpProxyAgent, fetch } from 'undici';
import { sha256File } from './verify.js';

export interface DownloadProgress {
  readonly received: number;
  readonly total: number;
}

export interface DownloadOptions {
  /** Tried in order. */
  readonly urls: readonly string[];
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Every source failed; the message says why each did. */
export class DownloadFailed extends Error {
  override readonly name = 'DownloadFailed';
}

const CONNECT_TIMEOUT = 5_000;
const BODY_TIMEOUT = 60_000;
const LOCK_LOOK = 200;

/** Goes through HTTP_PROXY and HTTPS_PROXY where they are set, as other tools do. */
const dispatcher = (): Dispatcher =>
  new EnvHttpProxyAgent({
    connect: { timeout: CONNECT_TIMEOUT },
    bodyTimeout: BODY_TIMEOUT,
    headersTimeout: 15_000,
  });

const alive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
};

async function tryLock(lock: string): Promise<boolean> {
  try {
    await fsp.writeFile(lock, String(process.pid), { flag: 'wx' });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  const holder = Number(await fsp.readFile(lock, 'utf8').catch(() => ''));
  if (holder > 0 && !alive(holder)) await fsp.rm(lock, { force: true }); // its process died
  return false;
}

/** Waits for the lock, runs `work`, lets go. */
async function withLock<T>(lock: string, signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
  while (!(await tryLock(lock))) await pause(LOCK_LOOK, undefined, signal ? { signal } : {});
  try {
    return await work();
  } finally {
    await fsp.rm(lock, { force: true });
  }
}

async function fetchInto(
  url: string,
  part: string,
  manifest: ModelManifest,
  agent: Dispatcher,
  options: DownloadOptions,
): Promise<void> {
  const had = (await fsp.stat(part).catch(() => undefined))?.size ?? 0;
  const from = had < manifest.size ? had : 0;
  const response = await fetch(url, {
    dispatcher: agent,
    redirect: 'follow',
    headers: from > 0 ? { range: `bytes=${from}-` } : {},
    ...(options.signal && { signal: options.signal }),
  });
  if (!response.ok || !response.body) throw new Error(`status ${response.status}`);
  const resumed = response.status === 206;
  let received = resumed ? from : 0;
  const body = Readable.fromWeb(response.body as never);
  body.on('data', (chunk: Buffer) => {
    received += chunk.length;
    if (received > manifest.size) body.destroy(new Error(`longer than the ${manifest.size} bytes it should have`));
    options.onProgress?.({ received, total: manifest.size });
  });
  await pipeline(body, fs.createWriteStream(part, { flags: resumed ? 'a' : 'w' }));
}

async function verifyPart(part: string, manifest: ModelManifest): Promise<void> {
  const { size } = await fsp.stat(part);
  if (size < manifest.size) throw new Error(`only ${size} of ${manifest.size} bytes came`);
  const sha256 = await sha256File(part);
  if (sha256 === manifest.sha256) return;
  await fsp.rm(part, { force: true });
  throw new Error(`the bytes have another SHA-256 (${sha256.slice(0, 12)}…)`);
}

const reason = (error: unknown): string => {
  const { message, cause } = error as Error & { cause?: { code?: string; message?: string } };
  return cause?.code ?? cause?.message ?? message;
};

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
  await fsp.mkdir(path.dirname(target), { recursive: true });
  await withLock(`${target}.lock`, options.signal, async () => {
    if (await present()) return;
    const agent = dispatcher();
    const faults: string[] = [];
    try {
      for (const url of options.urls) {
        try {
          await fetchInto(url, `${target}.part`, manifest, agent, options);
          await verifyPart(`${target}.part`, manifest);
          await fsp.rename(`${target}.part`, target);
          return;
        } catch (error) {
          options.signal?.throwIfAborted();
          faults.push(`${new URL(url).host}: ${reason(error)}`);
        }
      }
    } finally {
      await agent.close();
    }
    throw new DownloadFailed(faults.join('; ') || 'no source is known');
  });
}
