/**
 * Resumable uploads (tus 1.0.0). The last bytes' request answers with the entity, as `POST /entities` would.
 *
 * ```
 * created --PATCH--> receiving --all bytes--> whole --entity committed--> gone
 *    |                   |                      |
 *    +--DELETE, expired--+                      +--process died: finished at the next start
 * ```
 */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import fsp from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import path from 'node:path';
import { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Entity, UPLOADS_PATH, type UploadMetadata, uploadMetadata } from '@cl-server/contract';
import { HttpError, type Logger, messageOf, storageFault } from '@cl-server/runtime';
import { FileStore } from '@tus/file-store';
import { ERRORS, Server, type ServerOptions, type Upload } from '@tus/server';
import type { EntityService, User } from '../entities/service.js';

type TusRequest = Parameters<NonNullable<ServerOptions['onUploadCreate']>>[0];

export interface ResumableOptions {
  /** Absolute; on the file system of the media. */
  readonly directory: string;
  readonly maxBytes: number;
  readonly entities: EntityService;
  readonly view: (id: number) => Promise<Entity>;
  readonly logger: Logger;
}

/** An upload that nobody goes on with, milliseconds. */
const EXPIRES = 7 * 86_400_000;
/** Key beside the client's own metadata; set by the server, whatever the client sent. */
const OWNER = 'owner_id';

const NOBODY = '';
/** Bytes; below, a write that failed has failed for want of space. */
const LEAST_FREE = 1_000_000;

interface Refusal {
  readonly status_code: number;
  readonly body: string;
}

const noSpace = (): HttpError =>
  new HttpError(507, 'The server has no space left for this file', { code: 'storage_full' });

const refusal = (error: unknown): Refusal => {
  const { status, detail, code } =
    error instanceof HttpError ? error : new HttpError(500, 'Internal Server Error', { cause: error });
  return { status_code: status, body: JSON.stringify({ detail, code }) };
};

/** @throws Refusal 422 */
function fieldsOf(metadata: Upload['metadata']): UploadMetadata {
  const given = Object.entries(metadata ?? {}).filter(([, value]) => value !== null && value !== '');
  const parsed = uploadMetadata.safeParse(Object.fromEntries(given));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw refusal(new HttpError(422, `Upload-Metadata: ${issue?.path.join('.')}: ${issue?.message}`));
}

async function digestsOf(file: string): Promise<{ md5: string; sha256: string; size: number }> {
  const md5 = createHash('md5');
  const sha256 = createHash('sha256');
  let size = 0;
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      size += chunk.length;
      md5.update(chunk);
      sha256.update(chunk);
      done();
    },
  });
  await pipeline(fs.createReadStream(file, { highWaterMark: 1 << 20 }), sink);
  return { md5: md5.digest('hex'), sha256: sha256.digest('hex'), size };
}

export class ResumableUploads {
  readonly #options: ResumableOptions;
  readonly #store: FileStore;
  readonly #server: Server;
  readonly #users = new WeakMap<IncomingMessage, User>();
  #cleaner: NodeJS.Timeout | undefined;

  constructor(options: ResumableOptions) {
    this.#options = options;
    fs.mkdirSync(options.directory, { recursive: true, mode: 0o750 });
    this.#store = new FileStore({ directory: options.directory, expirationPeriodInMilliseconds: EXPIRES });
    this.#server = new Server({
      path: UPLOADS_PATH,
      datastore: this.#store,
      maxSize: options.maxBytes,
      relativeLocation: true,
      onUploadCreate: async (request, upload) => {
        fieldsOf(upload.metadata);
        return { metadata: { ...upload.metadata, [OWNER]: this.#userOf(request) ?? NOBODY } };
      },
      onIncomingRequest: (request, id) => this.#assertOwner(request, id),
      onResponseError: (_request, error) => this.#refusalOf(error),
      onUploadFinish: async (_request, upload) => {
        try {
          const { entity, isNew } = await this.#finish(upload);
          const headers = { 'content-type': 'application/json', 'x-entity-id': entity.id };
          return { status_code: isNew ? 201 : 200, headers, body: JSON.stringify(entity) };
        } catch (error) {
          if (!(error instanceof HttpError)) options.logger.error({ err: error }, 'a resumable upload failed');
          throw refusal(error);
        }
      },
    });
  }

  #userOf(request: TusRequest): User {
    const raw = request.runtime?.node?.req as IncomingMessage | undefined;
    return (raw && this.#users.get(raw)) ?? null;
  }

  /** An upload of somebody else is as if it were not there. */
  async #assertOwner(request: TusRequest, id: string): Promise<void> {
    if (request.method === 'POST') return;
    const upload = await this.#store.getUpload(id).catch(() => undefined);
    if (!upload || (upload.metadata?.[OWNER] ?? NOBODY) !== (this.#userOf(request) ?? NOBODY))
      throw refusal(new HttpError(404, 'There is no such upload, or it has expired: begin anew'));
  }

  /** The protocol's own refusals stay; what the disk or a bug made of a request is said as everywhere else. */
  async #refusalOf(error: Error | Refusal): Promise<Refusal | undefined> {
    if (error instanceof Error) {
      this.#options.logger.error({ err: error }, 'a resumable upload failed');
      return refusal(storageFault(error));
    }
    if (error.body !== ERRORS.FILE_WRITE_ERROR.body) return undefined;
    // The library does not say why it could not write: the client may be gone, or the disk is full.
    const { bavail, bsize } = await fsp.statfs(this.#options.directory);
    return bavail * bsize < LEAST_FREE ? refusal(noSpace()) : undefined;
  }

  async #finish(upload: Upload): Promise<{ entity: Entity; isNew: boolean }> {
    const { entities, view, directory } = this.#options;
    const file = path.join(directory, upload.id);
    const { filename = '', label, description, parent_id } = fieldsOf(upload.metadata);
    const owner = upload.metadata?.[OWNER] || null;
    const received = { filename, path: file, ...(await digestsOf(file)) };
    const { row, isNew } = await entities.create(
      owner,
      { is_collection: false, label, description, parent_id },
      received,
    );
    await this.#forget(upload.id);
    return { entity: await view(row.id), isNew };
  }

  async #forget(id: string): Promise<void> {
    const { directory } = this.#options;
    for (const name of [id, `${id}.json`]) await fsp.rm(path.join(directory, name), { force: true });
  }

  /** Finishes uploads that were whole when an earlier process ended, and drops those that have expired. */
  async recover(): Promise<void> {
    const { directory, logger } = this.#options;
    for (const name of await fsp.readdir(directory)) {
      const id = /^([0-9a-f]{32})\.json$/.exec(name)?.[1];
      if (id === undefined) continue;
      const upload = await this.#store.getUpload(id).catch(() => undefined);
      if (!upload) await this.#forget(id);
      else if (upload.size !== undefined && upload.offset === upload.size)
        await this.#finish(upload).catch((error) =>
          logger.error({ err: error }, `a whole upload could not be finished: ${messageOf(error)}`),
        );
    }
    const clean = (): void => {
      this.#server.cleanUpExpiredUploads().catch((error) => logger.warn({ err: error }, 'expired uploads remain'));
    };
    clean();
    this.#cleaner = setInterval(clean, 3_600_000);
    this.#cleaner.unref();
  }

  /** Answers one request of the protocol. */
  async handle(request: IncomingMessage, response: ServerResponse, user: User): Promise<void> {
    this.#users.set(request, user);
    await this.#server.handle(request, response);
  }

  close(): void {
    clearInterval(this.#cleaner);
  }
}
