/** One request for a model file, or for the rest of one. */
import fsp from 'node:fs/promises';
import type { ModelManifest } from '@cl-server/contract';
import type { Dispatcher, Response } from 'undici';

export interface PartRequest {
  readonly url: string;
  /** Path of the partial file; existing bytes are the beginning of the model file. */
  readonly part: string;
  readonly manifest: ModelManifest;
  readonly dispatcher: Dispatcher;
  readonly onProgress: (received: number) => void;
  readonly signal: AbortSignal | undefined;
}

const sizeOf = async (file: string): Promise<number> => (await fsp.stat(file).catch(() => undefined))?.size ?? 0;

/** Path of the stored entity tag, with which the source can say whether its file is still the same. */
const tagFile = (part: string): string => `${part}.etag`;

async function tagOf(part: string, url: string): Promise<string | undefined> {
  const [from, tag] = (await fsp.readFile(tagFile(part), 'utf8').catch(() => '')).split('\n');
  return from === url && tag ? tag : undefined;
}

export async function dropPart(part: string): Promise<void> {
  await Promise.all([fsp.rm(part, { force: true }), fsp.rm(tagFile(part), { force: true })]);
}

/** The offset at which the answer begins. @throws Error if the answer is not a part of the file */
function startOf(response: Response, asked: number): number {
  if (response.status !== 206) return 0; // the source sends the whole file: it does not support ranges, or the file changed
  const start = Number(/^bytes (\d+)-/.exec(response.headers.get('content-range') ?? '')?.[1] ?? asked);
  if (start !== asked) throw new Error(`asked for bytes from ${asked}, got those from ${start}`);
  return start;
}

async function rememberTag({ part, url }: PartRequest, response: Response): Promise<void> {
  const tag = response.headers.get('etag');
  // A weak tag does not guarantee equal bytes.
  if (tag === null || tag.startsWith('W/')) await fsp.rm(tagFile(part), { force: true });
  else await fsp.writeFile(tagFile(part), `${url}\n${tag}`);
}

/** The client retries forever if a proxy drops its connections, so the answer has a time limit. */
const ANSWER_TIMEOUT_MS = 20_000;

async function ask(request: PartRequest, headers: Record<string, string>): Promise<Response> {
  const silence = new AbortController();
  const timer = setTimeout(() => silence.abort(new Error('no answer')), ANSWER_TIMEOUT_MS);
  const signals = request.signal ? [request.signal, silence.signal] : [silence.signal];
  try {
    const { fetch } = await import('undici');
    const { url, dispatcher } = request;
    return await fetch(url, { dispatcher, redirect: 'follow', headers, signal: AbortSignal.any(signals) });
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Every byte that was read is on disk when this ends, even with an error. Bytes in the buffer of a broken connection
 * are requested again.
 * @returns the offset from which the download continued; 0 for the beginning
 */
export async function fetchPart(request: PartRequest): Promise<number> {
  const { url, part, manifest } = request;
  const had = await sizeOf(part);
  const from = had < manifest.size ? had : 0;
  const tag = from > 0 ? await tagOf(part, url) : undefined;
  const response = await ask(request, {
    'accept-encoding': 'identity',
    ...(from > 0 && { range: `bytes=${from}-` }),
    ...(tag !== undefined && { 'if-range': tag }),
  });
  if (response.status === 416) await dropPart(part);
  if (!response.ok || !response.body) throw new Error(`status ${response.status}`);
  const start = startOf(response, from);
  await rememberTag(request, response);
  const file = await fsp.open(part, start > 0 ? 'a' : 'w');
  try {
    let received = start;
    for await (const chunk of response.body) {
      await file.write(chunk);
      received += chunk.length;
      if (received > manifest.size) throw new Error(`more than the expected ${manifest.size} bytes`);
      request.onProgress(received);
    }
    await file.sync();
  } finally {
    await file.close();
  }
  return start;
}
