/**
 * Multipart bodies: fields to text, files straight to disk, hashed on the way. Everything is counted as it arrives, so
 * memory stays constant whatever is sent; and however a body ends, every open part ends with it.
 */

import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import fsp from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ValidationItem } from '@cl-server/contract';
import { DigestStream } from '@cl-server/kit';
import { Busboy, type BusboyHeaders, type BusboyInstance } from '@fastify/busboy';
import { badRequest, HttpError, invalidField } from '../errors.js';
import { storageFault } from '../storage-fault.js';
import type { BodyLease } from './body-budget.js';

/** A completely received file. It is deleted when the request ends unless the handler moves it. */
export interface ReceivedFile {
  readonly field: string;
  /** The name that the client sent, without folders. Nothing in it can be trusted. */
  readonly filename: string;
  /** The media type that the client claims. */
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

export interface FormRules {
  /** Names of file parts that are taken. */
  readonly files: readonly string[];
  /** Bytes of everything that is not in such a file. */
  readonly maxBody: number;
  /** Needed where files are taken. */
  readonly uploads: UploadOptions | undefined;
  readonly lease?: BodyLease | null;
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

/** Bytes of a file's name, which is one component of a path at most. */
const MAX_FILE_NAME = 4_000;
const PARTS = { fields: 200, fieldNameSize: 200, files: 10, parts: 211, headerPairs: 20, headerSize: 8_192 };
/** RFC 2046 §5.1.1. */
const MAX_BOUNDARY = 70;
const CHUNK = 262_144;
/** Bytes of memory that an upload of any size takes: the buffers on its way to the disk. */
const UPLOAD_BUFFERS = 2 * CHUNK;
/** How far the count of a file's bytes may lag behind the count of all bytes. */
const LAG = UPLOAD_BUFFERS;

const fileTooLarge = (bytes: number): HttpError =>
  new HttpError(413, `The file is larger than this server accepts (${bytes} bytes)`);

const formTooLarge = ({ files, maxBody }: FormRules): HttpError =>
  new HttpError(
    413,
    files.length === 0
      ? `The form is too large: this endpoint reads ${maxBody} bytes at most, and takes no file`
      : `The form is too large: beside the file (in the part ${files.join(' or ')}) it may have ${maxBody} bytes`,
  );

/** @throws HttpError 400 for a boundary that is not one */
function checkBoundary(contentType: string): void {
  const boundary = /;\s*boundary=(?:"([^"]*)"|([^;,\s]*))/i.exec(contentType);
  const text = boundary?.[1] ?? boundary?.[2] ?? '';
  if (text === '') throw badRequest('Missing boundary in multipart.');
  if (text.length > MAX_BOUNDARY) throw badRequest(`The boundary has more than ${MAX_BOUNDARY} characters`);
}

/** Receives one body. Made for one use. */
class Reception {
  readonly #rules: FormRules;
  readonly fields: Record<string, string> = Object.create(null) as Record<string, string>;
  readonly files: ReceivedFile[] = [];
  readonly #paths: string[] = [];
  readonly #writing: Promise<void>[] = [];
  /** Ends everything that is running. */
  readonly #failed = new AbortController();
  #received = 0;
  #inFiles = 0;
  #inFields = 0;

  constructor(rules: FormRules) {
    this.#rules = rules;
  }

  async cleanup(): Promise<void> {
    await Promise.allSettled(this.#writing);
    await Promise.all(this.#paths.map((file) => fsp.rm(file, { force: true })));
  }

  /** @throws whatever is wrong with the body; every part is closed then */
  async run(request: IncomingMessage): Promise<void> {
    const parser = this.#parser(request);
    const finished = new Promise<void>((resolve) => parser.once('finish', resolve));
    const failed = new Promise<never>((_resolve, reject) => {
      this.#failed.signal.addEventListener('abort', () => reject(this.#failed.signal.reason as Error), { once: true });
    });
    failed.catch(() => {});
    try {
      await this.#feed(request, parser);
      await Promise.race([failed, finished]);
      await Promise.race([failed, Promise.all(this.#writing)]);
    } catch (error) {
      this.#fail(error);
      parser.on('error', () => {});
      parser.destroy();
      throw this.#failed.signal.reason;
    }
  }

  #fail(error: unknown): void {
    if (!this.#failed.signal.aborted) this.#failed.abort(error);
  }

  /** Hands the body to the parser, no faster than files reach the disk. Resolves at the body's end. */
  #feed(request: IncomingMessage, parser: BusboyInstance): Promise<void> {
    const { maxBody } = this.#rules;
    return new Promise((resolve, reject) => {
      const takeOn = (): unknown => request.resume();
      const take = (chunk: Buffer): void => {
        this.#received += chunk.length;
        if (this.#received - this.#inFiles > maxBody + LAG) this.#fail(formTooLarge(this.#rules));
        else if (!parser.write(chunk)) {
          request.pause();
          parser.once('drain', takeOn);
        }
      };
      const end = (): void => {
        stop();
        parser.end();
        resolve();
      };
      const breakOff = (): void => this.#fail(badRequest('The upload broke off'));
      const fail = (): void => {
        stop();
        reject(this.#failed.signal.reason as Error);
      };
      const stop = (): void => {
        request.off('data', take).off('end', end).off('close', breakOff);
        parser.off('drain', takeOn);
        this.#failed.signal.removeEventListener('abort', fail);
      };
      this.#failed.signal.addEventListener('abort', fail);
      // The client left before anybody listened.
      if (request.destroyed) return breakOff();
      // Later faults of the connection only follow from the first one.
      request.on('error', breakOff).on('close', breakOff).on('end', end).on('data', take);
    });
  }

  #parser(request: IncomingMessage): BusboyInstance {
    const { maxBody, files, uploads } = this.#rules;
    const limits = { ...PARTS, fieldSize: maxBody, fileSize: uploads?.maxBytes ?? 0 };
    let parser: BusboyInstance;
    try {
      parser = new Busboy({
        headers: request.headers as BusboyHeaders,
        limits,
        highWaterMark: CHUNK,
        fileHwm: CHUNK,
      });
    } catch (error) {
      throw badRequest('There was an error parsing the body', { cause: error });
    }
    const fail = (error: unknown): void => this.#fail(error);
    parser.on('field', (name, value, _nameCut, valueCut) => {
      try {
        this.#takeField(name, value, valueCut);
      } catch (error) {
        fail(error);
      }
    });
    parser.on('file', (name, stream, filename, _encoding, mime) => {
      // A part that ends too early says so here, and nowhere else.
      stream.on('error', () => {});
      if (this.#failed.signal.aborted || !files.includes(name) || !uploads) return void stream.resume();
      const done = this.#takeFile(name, stream, filename ?? '', mime, uploads);
      this.#writing.push(done);
      done.catch(fail);
    });
    parser.on('filesLimit', () => fail(badRequest(`At most ${PARTS.files} files at once`)));
    parser.on('fieldsLimit', () => fail(badRequest(`At most ${PARTS.fields} fields at once`)));
    parser.on('partsLimit', () => fail(badRequest(`At most ${PARTS.parts} parts at once`)));
    parser.on('error', (error) => fail(badRequest('There was an error parsing the body', { cause: error })));
    return parser;
  }

  #takeField(name: string, value: string, valueCut: boolean): void {
    const bytes = Buffer.byteLength(name ?? '') + Buffer.byteLength(value);
    this.#inFields += bytes;
    if (valueCut || this.#inFields > this.#rules.maxBody) throw formTooLarge(this.#rules);
    this.#rules.lease?.add(bytes);
    if (this.#rules.files.includes(name) && value !== '') throw new HttpError(422, [textForFile(name, value)]);
    this.fields[name] = value;
  }

  async #takeFile(
    field: string,
    stream: Readable & { truncated?: boolean },
    filename: string,
    claimedType: string,
    { folder, maxBytes }: UploadOptions,
  ): Promise<void> {
    if (Buffer.byteLength(filename) > MAX_FILE_NAME)
      throw invalidField(
        'body',
        field,
        `The file's name is longer than ${MAX_FILE_NAME} bytes`,
        null,
        'string_too_long',
      );
    this.#rules.lease?.add(UPLOAD_BUFFERS);
    const file = path.join(folder, `${randomUUID()}.part`);
    this.#paths.push(file);
    const digesting = new DigestStream(['md5', 'sha256'], (bytes) => {
      this.#inFiles += bytes;
    });
    const sink = fs.createWriteStream(file, { flags: 'wx', mode: 0o640, highWaterMark: CHUNK });
    await pipeline(stream, digesting, sink, { signal: this.#failed.signal });
    if (stream.truncated) throw fileTooLarge(maxBytes);
    const { size } = digesting;
    this.files.push({ field, filename: unescaped(filename), claimedType, path: file, size, ...digesting.digests() });
  }
}

/** Browsers write the three characters that would end or break the name so, and no others. */
const ESCAPED: Readonly<Record<string, string>> = { '%22': '"', '%0D': '\r', '%0A': '\n' };
const unescaped = (name: string): string => name.replace(/%(22|0D|0A)/g, (code) => ESCAPED[code] ?? code);

/**
 * Reads a multipart body.
 * @throws HttpError 400 for a broken body, 413 for one that is too large, 422 for text where a file is due, 503, 507
 */
export async function receiveForm(request: IncomingMessage, rules: FormRules): Promise<ReceivedForm> {
  checkBoundary(request.headers['content-type'] ?? '');
  const { files, maxBody, uploads } = rules;
  const declared = Number(request.headers['content-length'] ?? 0);
  if (files.length === 0 || !uploads) {
    if (declared > maxBody + LAG) throw formTooLarge(rules);
  } else if (declared > uploads.maxBytes + maxBody + LAG) throw fileTooLarge(uploads.maxBytes);
  if (uploads && files.length > 0) await fsp.mkdir(uploads.folder, { recursive: true });
  const reception = new Reception(rules);
  try {
    await reception.run(request);
  } catch (error) {
    await reception.cleanup();
    throw storageFault(error);
  }
  return { fields: reception.fields, files: reception.files, cleanup: () => reception.cleanup() };
}
