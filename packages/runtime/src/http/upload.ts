/** Multipart bodies: fields to text, files straight to disk, hashed on the way; memory stays constant. */
import { createHash, randomUUID } from 'node:crypto';
import fs from 'node:fs';
import fsp from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import path from 'node:path';
import { type Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ValidationItem } from '@cl-server/contract';
import { Busboy, type BusboyHeaders } from '@fastify/busboy';
import { badRequest, HttpError, invalidField } from '../errors.js';

/** A file that arrived whole. It lies at `path` until the request ends; who wants it moves it away. */
export interface ReceivedFile {
  readonly field: string;
  /** As the client sent it, folders cut off; trust nothing in it. */
  readonly filename: string;
  /** What the client claims. */
  readonly claimedType: string;
  readonly path: string;
  readonly size: number;
  readonly md5: string;
  readonly sha256: string;
}

export interface UploadOptions {
  /** Folder for unfinished files; on the same file system as their later place, so that a rename suffices. */
  readonly folder: string;
  readonly maxBytes: number;
}

export interface ReceivedForm {
  readonly fields: Record<string, string>;
  readonly files: ReceivedFile[];
  /** Removes what nobody moved away. */
  cleanup(): Promise<void>;
}

/** The fault of a text that stands where a file is due. */
export const textForFile = (name: string, text: string): ValidationItem => ({
  type: 'value_error',
  loc: ['body', name],
  msg: 'Value error, Expected a file, received a text',
  input: text.slice(0, 200),
});

const LIMITS = { fields: 200, fieldSize: 1_048_576, fieldNameSize: 200, files: 10, headerPairs: 100 };

/** What file systems, SQLite and PostgreSQL say of a full disk. */
const FULL = new Set(['ENOSPC', 'EDQUOT', 'SQLITE_FULL', '53100']);

/** Turns storage faults into words for the client; a full disk is not a bug. */
export function storageFault(error: unknown): unknown {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  if (code !== undefined && FULL.has(code))
    return new HttpError(507, 'The server has no space left for this file', { cause: error });
  return error;
}

interface Received {
  hashes: { md5: string; sha256: string };
  size: number;
}

async function writeHashed(source: Readable, file: string): Promise<Received> {
  const md5 = createHash('md5');
  const sha256 = createHash('sha256');
  let size = 0;
  const hashing = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      size += chunk.length;
      md5.update(chunk);
      sha256.update(chunk);
      done(null, chunk);
    },
  });
  const sink = fs.createWriteStream(file, { flags: 'wx', mode: 0o640, highWaterMark: 1 << 20 });
  await pipeline(source, hashing, sink);
  return { size, hashes: { md5: md5.digest('hex'), sha256: sha256.digest('hex') } };
}

/**
 * Reads a multipart body.
 * @param accepted names of file parts; files under other names are read and dropped
 * @throws HttpError 400 for a broken body, 413 for one that is too large, 422 for text where a file is due, 507
 */
export async function receiveForm(
  request: IncomingMessage,
  accepted: readonly string[],
  options: UploadOptions,
): Promise<ReceivedForm> {
  const fields: Record<string, string> = Object.create(null) as Record<string, string>;
  const files: ReceivedFile[] = [];
  const paths: string[] = [];
  const writing: Promise<void>[] = [];
  const cleanup = async (): Promise<void> => {
    await Promise.allSettled(writing);
    await Promise.all(paths.map((file) => fsp.rm(file, { force: true })));
  };

  const contentType = request.headers['content-type'] ?? '';
  if (!/;\s*boundary=/i.test(contentType)) throw badRequest('Missing boundary in multipart.');
  const declared = Number(request.headers['content-length'] ?? 0);
  const tooLarge = (): HttpError =>
    new HttpError(413, `The file is larger than this server accepts (${options.maxBytes} bytes)`);
  if (declared > options.maxBytes + 10 * LIMITS.fieldSize) throw tooLarge();

  const parser = new Busboy({
    headers: request.headers as BusboyHeaders,
    limits: { ...LIMITS, fileSize: options.maxBytes },
    highWaterMark: 1 << 20,
    fileHwm: 1 << 20,
  });
  const receive = async (
    name: string,
    stream: Readable & { truncated?: boolean },
    filename: string,
    claimedType: string,
  ): Promise<void> => {
    const file = path.join(options.folder, `${randomUUID()}.part`);
    paths.push(file);
    const { size, hashes } = await writeHashed(stream, file);
    if (stream.truncated) throw tooLarge();
    files.push({ field: name, filename, claimedType, path: file, size, ...hashes });
  };

  try {
    if (accepted.length > 0) await fsp.mkdir(options.folder, { recursive: true });
    await new Promise<void>((resolve, reject) => {
      const fail = (error: unknown): void => {
        request.unpipe(parser);
        request.resume();
        reject(error);
      };
      parser.on('field', (name, value, _nameCut, valueCut) => {
        if (valueCut)
          return fail(invalidField('body', name, 'The field is longer than 1 MiB', null, 'string_too_long'));
        if (accepted.includes(name) && value !== '') return fail(new HttpError(422, [textForFile(name, value)]));
        fields[name] = value;
      });
      parser.on('file', (name, stream, filename, _encoding, mime) => {
        if (!accepted.includes(name)) return void stream.resume();
        const done = receive(name, stream, filename ?? '', mime);
        writing.push(done);
        done.catch(fail);
      });
      parser.on('filesLimit', () => fail(badRequest(`At most ${LIMITS.files} files at once`)));
      parser.on('fieldsLimit', () => fail(badRequest(`At most ${LIMITS.fields} fields at once`)));
      parser.on('error', (error) => fail(badRequest('There was an error parsing the body', { cause: error })));
      parser.on('finish', () => Promise.all(writing).then(() => resolve(), fail));
      request.on('aborted', () => {
        const error = badRequest('The upload broke off');
        parser.destroy(error);
        fail(error);
      });
      request.on('error', fail);
      request.pipe(parser);
    });
  } catch (error) {
    await cleanup();
    throw storageFault(error);
  }
  return { fields, files, cleanup };
}
