/** The parts that differ in Node: files on disk, uploads as a stream with a known length. */

import { createReadStream, promises as fsp } from 'node:fs';
import nodePath from 'node:path';
import { ReadableStream as NodeReadableStream } from 'node:stream/web';
import { fileURLToPath } from 'node:url';
import { FileError } from '../errors.js';
import type { FileBody } from '../files/file-body.js';
import { mediaTypeOf } from '../files/media-type.js';
import type { Multipart, OnProgress } from '../http/body.js';

export { fileSink } from './node-sink.js';

const CHUNK = 256 * 1024;

/** Reasons that a person understands. */
const WHY: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'it may not be read',
  EPERM: 'it may not be read',
  EISDIR: 'it is a folder',
};

const unreadable = (file: string, cause: unknown): FileError => {
  const { code = '', message } = cause as NodeJS.ErrnoException;
  return new FileError(`${file}: ${WHY[code] ?? message}`, { cause });
};

/** A file on disk; it is looked at now and read when sent. */
export async function fileFromPath(
  where: string | URL,
  { name, type }: { name?: string | undefined; type?: string | undefined } = {},
): Promise<FileBody> {
  const file = typeof where === 'string' ? where : fileURLToPath(where);
  const stat = await fsp.stat(file).catch((error: unknown) => {
    throw unreadable(file, error);
  });
  if (!stat.isFile()) throw new FileError(`${file}: ${stat.isDirectory() ? 'it is a folder' : 'it is not a file'}`);
  const own = name ?? nodePath.basename(file);
  const media = type ?? mediaTypeOf(own);
  async function* open(signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    let read = 0;
    try {
      for await (const chunk of createReadStream(file, { highWaterMark: CHUNK, signal })) {
        read += (chunk as Buffer).length;
        yield chunk as Buffer;
      }
    } catch (error) {
      throw signal?.aborted ? signal.reason : unreadable(file, error);
    }
    if (read !== stat.size) throw new FileError(`${file}: it changed while it was being sent`);
  }
  const read = async (start: number, end: number): Promise<Uint8Array<ArrayBuffer>> => {
    const handle = await fsp.open(file).catch((error: unknown) => {
      throw unreadable(file, error);
    });
    try {
      const bytes = new Uint8Array(Math.min(end, stat.size) - start);
      for (let at = 0; at < bytes.length; ) {
        const { bytesRead } = await handle.read(bytes, at, bytes.length - at, start + at);
        if (bytesRead === 0) throw new FileError(`${file}: it changed while it was being sent`);
        at += bytesRead;
      }
      return bytes;
    } finally {
      await handle.close();
    }
  };
  const blob = async (): Promise<Blob> => new Blob([await fsp.readFile(file)], { type: media });
  return { name: own, type: media, size: stat.size, repeatable: true, open, read, blob };
}

const escapeName = (name: string): string =>
  name.replace(/[\r\n"]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`);

/** Sends a form with a file: the fields first, then the file, read while it is sent. */
export async function postMultipart(
  fetch: typeof globalThis.fetch,
  url: string,
  init: RequestInit,
  form: Multipart,
  onProgress: OnProgress,
): Promise<Response> {
  const { file } = form;
  const boundary = `cl-${crypto.randomUUID()}`;
  const text = new TextEncoder();
  const fields = form.fields.map(
    ([name, value]) =>
      `--${boundary}\r\nContent-Disposition: form-data; name="${escapeName(name)}"\r\n\r\n${value}\r\n`,
  );
  const head = text.encode(
    `${fields.join('')}--${boundary}\r\nContent-Disposition: form-data; name="${escapeName(form.fileField)}"; ` +
      `filename="${escapeName(file.name)}"\r\nContent-Type: ${file.type}\r\n\r\n`,
  );
  const tail = text.encode(`\r\n--${boundary}--\r\n`);
  async function* body(): AsyncGenerator<Uint8Array> {
    yield head;
    let loaded = 0;
    for await (const chunk of file.open(init.signal ?? undefined)) {
      loaded += chunk.byteLength;
      yield chunk;
      onProgress({ loaded, total: file.size });
    }
    yield tail;
  }
  const headers: Record<string, string> = {
    ...(init.headers as Record<string, string>),
    'content-type': `multipart/form-data; boundary=${boundary}`,
    ...(file.size !== undefined && { 'content-length': String(head.length + file.size + tail.length) }),
  };
  return fetch(url, {
    ...init,
    headers,
    body: NodeReadableStream.from(body()) as unknown as ReadableStream<Uint8Array<ArrayBuffer>>,
    duplex: 'half',
  } as RequestInit);
}

/** How this program names itself to servers. */
export const userAgent = (version: string): Readonly<Record<string, string>> => ({
  'user-agent': `cl-server-client/${version} node/${process.versions.node}`,
});

/** The addresses that MQTT can be spoken at from here. */
export const mqttSchemes: readonly string[] = ['mqtt:', 'mqtts:', 'ws:', 'wss:'];
