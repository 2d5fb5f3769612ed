/**
 * Sends one file: `Range` of a GET (one range), `If-Range`, `If-Match`, `If-Unmodified-Since`, `If-None-Match`,
 * `If-Modified-Since`, HEAD, strong entity tags (RFC 9110 §13, §14). The file is opened once, and headers and bytes come from
 * what was opened: a file that is replaced meanwhile cannot give headers of one version and bytes of the other.
 */

import type { FileHandle } from 'node:fs/promises';
import { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { HttpError } from '../errors.js';

const STREAM_BYTES = 1 << 18;

/** A file or a blob of a blob store, open for reading. */
export interface OpenedFile {
  readonly size: number;
  /** Milliseconds. */
  readonly modified: number;
  /** Called once at most; the end of the stream closes the file. */
  stream(range: ByteRange): Readable;
  /** Called if no stream was. */
  close(): Promise<void>;
}

export interface SendOptions {
  readonly contentType: string;
  /** Name offered for saving. */
  readonly name: string;
  /** `inline` only for bytes that a browser may show from this origin. Default: attachment. */
  readonly disposition?: 'inline' | 'attachment';
  /** The text from which the entity tag is made, e.g. a digest of the content. Default: size and time of the file. */
  readonly tag?: string;
}

export interface ByteRange {
  readonly start: number;
  /** Inclusive. */
  readonly end: number;
}

/**
 * Reads a `Range` header.
 * @returns the range; `unsatisfiable`; or undefined where the whole file is to be sent (no range, several, nonsense)
 */
export function parseRange(header: string | undefined, size: number): ByteRange | 'unsatisfiable' | undefined {
  const match = /^bytes\s*=\s*(?:(\d+)\s*)?-\s*(\d*)$/i.exec((header ?? '').trim());
  if (!match) return undefined;
  const [, first = '', last = ''] = match;
  if (first === '' && last === '') return undefined;
  if (first === '') {
    const length = Number(last);
    return length === 0 || size === 0 ? 'unsatisfiable' : { start: Math.max(0, size - length), end: size - 1 };
  }
  const start = Number(first);
  if (last !== '' && Number(last) < start) return undefined;
  if (start >= size) return 'unsatisfiable';
  return { start, end: last === '' ? size - 1 : Math.min(Number(last), size - 1) };
}

/** `Content-Disposition` (RFC 6266): plain names as they are, others in the extended form beside a harmless one. */
export function contentDisposition(kind: 'inline' | 'attachment', name: string): string {
  const plain = name.replace(/[^\x20-\x7e]|["\\%]/g, '_');
  if (plain === name) return `${kind}; filename="${name}"`;
  const extended = encodeURIComponent(Buffer.from(name).toString()).replace(
    /['()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `${kind}; filename="${plain}"; filename*=utf-8''${extended}`;
}

const listed = (header: string, tag: string): boolean =>
  header.trim() === '*' || header.split(',').some((word) => word.trim().replace(/^W\//, '') === tag);

const seconds = (time: Date): number => Math.floor(time.getTime() / 1000) * 1000;

/** Whether the client asked for another content than this; a date that cannot be read is no condition. */
function isAnother(request: FastifyRequest, tag: string, modified: Date): boolean {
  const { 'if-match': match, 'if-unmodified-since': since } = request.headers;
  if (match !== undefined) return match.trim() !== '*' && !match.split(',').some((word) => word.trim() === tag);
  return since !== undefined && seconds(modified) > Date.parse(since);
}

function notModified(request: FastifyRequest, tag: string, modified: Date): boolean {
  const { 'if-none-match': noneMatch, 'if-modified-since': since } = request.headers;
  if (noneMatch !== undefined) return listed(noneMatch, tag);
  return since !== undefined && seconds(modified) <= Date.parse(since);
}

/** Whether a range may be answered: the client's part must be of the same content. */
function rangeHolds(condition: unknown, tag: string, modified: Date): boolean {
  if (typeof condition !== 'string') return true;
  return condition.includes('"')
    ? condition.trim() === tag
    : Date.parse(condition) === Date.parse(modified.toUTCString());
}

/** @param modified milliseconds */
export const openedFile = (handle: FileHandle, size: number, modified: number): OpenedFile => ({
  size,
  modified,
  stream: (range) => handle.createReadStream({ ...range, highWaterMark: STREAM_BYTES }),
  close: () => handle.close(),
});

/**
 * Answers with a file that is open; closes it, whatever happens.
 * @throws HttpError 412, 416 for a range outside of it
 */
export async function sendOpenFile(
  request: FastifyRequest,
  reply: FastifyReply,
  file: OpenedFile,
  options: SendOptions,
): Promise<FastifyReply> {
  const { size } = file;
  let streaming = false;
  try {
    const modified = new Date(file.modified);
    const tag = `"${options.tag ?? `${size.toString(16)}-${Math.round(file.modified * 1000).toString(16)}`}"`;
    const validators = {
      etag: tag,
      'last-modified': modified.toUTCString(),
      'accept-ranges': 'bytes',
      'cache-control': 'private, no-cache', // kept, but asked about at each use
    };
    if (isAnother(request, tag, modified))
      throw new HttpError(412, 'The file is not the one that If-Match or If-Unmodified-Since names', {
        headers: { etag: tag, 'last-modified': modified.toUTCString() },
      });
    if (notModified(request, tag, modified)) return reply.code(304).headers(validators).send();
    const mayBePart = request.method === 'GET' && rangeHolds(request.headers['if-range'], tag, modified);
    const wanted = mayBePart ? parseRange(request.headers.range, size) : undefined;
    if (wanted === 'unsatisfiable')
      throw new HttpError(416, `The file has ${size} bytes: no such range`, {
        headers: { 'content-range': `bytes */${size}` },
      });
    const { start, end } = wanted ?? { start: 0, end: size - 1 };
    // A page may show a picture, a film or a document in a frame, as it may show them without one.
    reply.removeHeader('x-frame-options');
    reply
      .code(wanted ? 206 : 200)
      .type(options.contentType)
      .headers({
        ...validators,
        'content-length': String(end - start + 1),
        'content-disposition': contentDisposition(options.disposition ?? 'attachment', options.name),
        // Whatever the bytes are, opened alone they run nothing and reach nothing.
        'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; sandbox",
        ...(wanted && { 'content-range': `bytes ${start}-${end}/${size}` }),
      });
    // A stream in any case, since the router would take the length of another empty body for the file's.
    if (request.method === 'HEAD' || size === 0) return reply.send(Readable.from([]));
    streaming = true;
    return reply.send(file.stream({ start, end }));
  } finally {
    if (!streaming) await file.close();
  }
}
