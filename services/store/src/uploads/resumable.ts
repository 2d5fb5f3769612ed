/**
 * Resumable uploads (tus 1.0.0). The request that brings the last bytes answers with the entity, like `POST /entities`.
 *
 * ```
 * created --PATCH--> receiving --all bytes--> whole --entity committed--> finished --a day--> gone
 *    |                   |                      |  |
 *    +--DELETE, expired--+--> gone              |  +--entity refused (4xx)--> gone
 *                                               +--process died: finished at the next start
 * ```
 */

import fsp from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { PassThrough, Readable } from 'node:stream';
import { type Entity, UPLOADS_PATH, type UploadMetadata, uploadMetadata } from '@cl-server/contract';
import { digestFile, KeyedLock, messageOf } from '@cl-server/kit';
import { HttpError, type Logger, notFound, storageFault, unprocessable } from '@cl-server/service-kit';
import { ERRORS, Server, type Upload } from '@tus/server';
import type { Budget } from '../database/budget.js';
import type { EntityService, User } from '../entities/service.js';
import { OpenUploads } from './open-uploads.js';
import { OWNER, UploadFiles, type UploadRecord } from './upload-files.js';
import { UploadLocks } from './upload-locks.js';

export interface ResumableOptions {
  /** Absolute path, on the file system of the media. */
  readonly directory: string;
  readonly maxBytes: number;
  readonly entities: EntityService;
  readonly budget: Pick<Budget, 'claim' | 'release'>;
  readonly view: (id: number) => Promise<Entity>;
  readonly logger: Logger;
  readonly now: () => number;
}

export interface UploadRequest {
  readonly method: 'POST' | 'HEAD' | 'PATCH' | 'DELETE';
  /** Absent for a new upload. */
  readonly id: string | undefined;
  readonly raw: IncomingMessage;
  readonly user: User;
  /** The URL at which the client finds an upload. */
  readonly locationOf: (id: string) => string;
}

/** The entity that an upload has become; `isNew` is false if an entity had these bytes already. */
interface FinishedUpload {
  readonly entity: Entity;
  readonly isNew: boolean;
}

export interface UploadAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Set if this request has brought the last bytes. */
  readonly finished: FinishedUpload | undefined;
}

/** A request in progress. */
interface Call extends UploadRequest {
  /** The request's bytes; ending it does not end the connection. */
  readonly bytes: PassThrough;
  /** The error of one of our own rules, because the tus server only passes on a status and a text. */
  refused?: unknown;
  isTerminated?: boolean;
  /** The upload that this request has begun. */
  created?: string;
  finished?: FinishedUpload;
}

const DAY = 86_400_000;
/** Milliseconds after which an upload expires that nobody continues. */
const EXPIRES_MS = 7 * DAY;

/** Milliseconds for which a request may continue while the next one of its upload waits. */
const DRAIN_MS = 1_000;

const NOBODY = '';
const BYTES = 'application/offset+octet-stream';

/** The id of the claim on the owner's budget. */
const claimOf = (id: string): string => `upload:${id}`;

const noSuchUpload = (): HttpError => notFound('There is no such upload, or it has expired: begin a new one');

/** Our own errors that replace those of the tus server whose status or text would mislead a client. */
const REWORDED: ReadonlyMap<string, () => HttpError> = new Map([
  [ERRORS.FILE_NOT_FOUND.body, noSuchUpload],
  [ERRORS.MISSING_OFFSET.body, () => new HttpError(400, 'The header Upload-Offset is missing')],
  [
    ERRORS.INVALID_OFFSET.body,
    () => new HttpError(409, 'Upload-Offset does not match the current offset of the upload: get the offset with HEAD'),
  ],
  [
    ERRORS.ABORTED.body,
    () => new HttpError(423, 'Another request has taken over this upload: get its offset with HEAD'),
  ],
  [ERRORS.ERR_LOCK_TIMEOUT.body, () => new HttpError(423, 'Another request is using this upload: try again')],
  [
    ERRORS.ERR_SIZE_EXCEEDED.body,
    () => new HttpError(413, 'The request contains more bytes than Upload-Length announces'),
  ],
  [
    ERRORS.ERR_MAX_SIZE_EXCEEDED.body,
    () => new HttpError(413, 'The request contains more bytes than were announced or are accepted'),
  ],
  [ERRORS.INVALID_LENGTH.body, () => new HttpError(400, 'Either Upload-Length or Upload-Defer-Length: 1 is needed')],
  [
    ERRORS.UNSUPPORTED_CONCATENATION_EXTENSION.body,
    () => new HttpError(501, 'Upload-Concat is not supported: switch parallel uploads off in the client'),
  ],
]);

/** @throws HttpError 422 */
function fieldsOf(metadata: Upload['metadata']): UploadMetadata {
  const given = Object.entries(metadata ?? {}).filter(([, value]) => value !== null && value !== '');
  const parsed = uploadMetadata.safeParse(Object.fromEntries(given));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw unprocessable(`Upload-Metadata: ${issue?.path.join('.')}: ${issue?.message}`);
}

/** Converts a request to the form that the tus server reads. */
function webRequest({ method, id, raw, bytes }: Call): Request {
  const headers = new Headers();
  for (const [name, value] of Object.entries(raw.headers)) if (typeof value === 'string') headers.set(name, value);
  // The method already is that of the override.
  headers.delete('x-http-method-override');
  const hasBody = (method === 'POST' || method === 'PATCH') && headers.get('content-type') === BYTES;
  return new Request(`http://store${UPLOADS_PATH}${id === undefined ? '' : `/${id}`}`, {
    method,
    headers,
    ...(hasBody && { body: Readable.toWeb(bytes) as ReadableStream, duplex: 'half' }),
  });
}

export class ResumableUploads {
  readonly #options: ResumableOptions;
  readonly #files: UploadFiles;
  readonly #server: Server;
  readonly #calls = new Map<Request, Call>();
  readonly #open = new OpenUploads();
  /** Ensures that only one request at a time finishes or removes an upload. */
  readonly #locks = new KeyedLock();
  #cleaner: NodeJS.Timeout | undefined;

  constructor(options: ResumableOptions) {
    this.#options = options;
    const { directory, now } = options;
    this.#files = new UploadFiles({
      directory,
      expires: EXPIRES_MS,
      remembers: DAY,
      now,
      claim: ({ id, owner }, bytes) => options.budget.claim(claimOf(id), owner ?? null, bytes, EXPIRES_MS),
      onRemoved: (id) => {
        this.#open.delete(id);
        return options.budget.release(claimOf(id));
      },
    });
    this.#server = new Server({
      path: UPLOADS_PATH,
      datastore: this.#files,
      maxSize: options.maxBytes,
      locker: new UploadLocks(),
      lockDrainTimeout: DRAIN_MS,
      generateUrl: (request, { id }) => this.#calls.get(request)?.locationOf(id) ?? `${UPLOADS_PATH}/${id}`,
      onUploadCreate: async (request, upload) => {
        const call = this.#calls.get(request);
        const user = call?.user ?? null;
        await this.#assertAcceptable(user, upload);
        this.#open.add(upload.id, user);
        try {
          await options.budget.claim(claimOf(upload.id), user, upload.size ?? 0, EXPIRES_MS);
        } catch (error) {
          this.#open.delete(upload.id);
          throw error;
        }
        if (call) call.created = upload.id;
        return { metadata: { ...upload.metadata, [OWNER]: user ?? NOBODY } };
      },
      onIncomingRequest: (request, id) => this.#assertOwner(request, id),
      onResponseError: (request, error) => {
        const call = this.#calls.get(request);
        if (call) call.refused = error;
        return undefined;
      },
      onUploadFinish: async (request, { id }) => {
        const finished = await this.#locks.run(id, () => this.#finish(id));
        const call = this.#calls.get(request);
        if (call) call.finished = finished;
        return {
          status_code: finished.isNew ? 201 : 200,
          headers: { 'x-entity-id': String(finished.entity.id) },
        };
      },
    });
  }

  /** Refuses an upload that is certain to fail before its bytes are sent. @throws HttpError 422, 507 */
  async #assertAcceptable(user: User, { size, metadata }: Upload): Promise<void> {
    const { parent_id } = fieldsOf(metadata);
    if (size === 0) throw unprocessable('The file is empty');
    if (parent_id !== undefined) await this.#options.entities.assertParent(user, parent_id);
    const { bavail, bsize } = await fsp.statfs(this.#options.directory);
    if (bavail * bsize < (size ?? 0)) throw new HttpError(507, 'The server has no space left for this file');
  }

  /** For other users an upload does not exist. */
  async #assertOwner(request: Request, id: string): Promise<void> {
    if (request.method === 'POST') return;
    const record = await this.#files.record(id);
    const user = this.#calls.get(request)?.user ?? null;
    if (!record || (record.owner ?? null) !== user) throw noSuchUpload();
    if (request.method === 'PATCH' && record.entity_id === undefined)
      await this.#options.budget.claim(claimOf(id), user, await this.#wantedBytes(request, record), EXPIRES_MS);
    if (request.method !== 'DELETE') return;
    for (const call of this.#calls.values())
      if (call.id === id && call.method === 'PATCH') {
        call.isTerminated = true;
        call.bytes.destroy(new Error('the upload is being deleted'));
      }
  }

  /** The final size of an upload, as far as its client has announced it. */
  async #wantedBytes(request: Request, { id, size }: UploadRecord): Promise<number> {
    if (size !== undefined) return size;
    const number = (name: string): number => Number(request.headers.get(name) ?? 0) || 0;
    const arrived = await this.#files.arrived(id);
    return Math.max(number('upload-length'), arrived + number('content-length'));
  }

  /** Creates the entity. Needs the upload's lock. @throws HttpError if the entity is refused, which removes the upload */
  async #finish(id: string): Promise<FinishedUpload> {
    const { entities, view } = this.#options;
    const record = await this.#files.record(id);
    if (!record) throw noSuchUpload();
    if (record.entity_id !== undefined) return { entity: await view(record.entity_id), isNew: false };
    const path = this.#files.pathOf(id);
    try {
      const { filename = '', label, description, parent_id } = fieldsOf(record.metadata);
      const received = { filename, path, ...(await digestFile(path, ['md5', 'sha256'])) };
      const fields = { is_collection: false, label, description, parent_id };
      const { row, isNew } = await entities.create(record.owner ?? null, fields, received, claimOf(id));
      await this.#files.finish(id, received.size, row.id);
      this.#open.delete(id);
      return { entity: await view(row.id), isNew };
    } catch (error) {
      // The same bytes would be refused again.
      if (error instanceof HttpError && error.status < 500) await this.#files.remove(id);
      throw error;
    }
  }

  /** Finishes uploads that were complete when an earlier process ended, and removes expired ones. */
  async recover(): Promise<void> {
    const { logger, budget } = this.#options;
    for (const id of await this.#files.ids()) {
      const { entity_id, owner = null, size } = (await this.#files.record(id)) ?? {};
      if (entity_id !== undefined) continue;
      this.#open.add(id, owner, true);
      // Uploads that were begun by an earlier process are never refused here.
      await budget.claim(claimOf(id), owner, size ?? (await this.#files.arrived(id)), EXPIRES_MS, true);
      const upload = await this.#files.getUpload(id).catch(() => undefined);
      if (!upload) await this.#files.remove(id);
      else if (upload.size !== undefined && upload.offset === upload.size)
        await this.#locks
          .run(id, () => this.#finish(id))
          .catch((error) => {
            const fault = `a complete upload could not be finished: ${messageOf(error)}`;
            if (error instanceof HttpError && error.status < 500) logger.warn(`${fault}; it was removed`);
            else logger.error({ err: error }, `${fault}; the next start tries again`);
          });
    }
    const clean = (): void => {
      this.#server
        .cleanUpExpiredUploads()
        .catch((error) => logger.warn({ err: error }, 'expired uploads could not be removed'));
    };
    clean();
    this.#cleaner = setInterval(clean, 3_600_000);
    this.#cleaner.unref();
  }

  /** The headers with which a client discovers the features of the server. */
  get discovery(): Readonly<Record<string, string>> {
    return {
      'tus-version': '1.0.0',
      'tus-extension': this.#files.extensions.join(','),
      'tus-max-size': String(this.#options.maxBytes),
    };
  }

  /**
   * Processes one request of the protocol.
   * @throws HttpError
   */
  async answer(asked: UploadRequest): Promise<UploadAnswer> {
    const { raw, method, id } = asked;
    const bytes = new PassThrough();
    const call: Call = { ...asked, bytes };
    // If the connection breaks, the piece ends: the bytes that arrived are kept.
    const end = (): void => void bytes.end();
    bytes.on('error', () => raw.unpipe(bytes));
    raw.once('close', end).once('error', end);
    raw.pipe(bytes);
    const request = webRequest(call);
    this.#calls.set(request, call);
    try {
      const response = await (method === 'DELETE' && id !== undefined
        ? this.#locks.run(id, () => this.#server.handleWeb(request))
        : this.#server.handleWeb(request));
      if (call.isTerminated) throw new HttpError(410, 'The upload was deleted while its bytes were arriving');
      if (response.status >= 400 && call.created !== undefined) await this.#files.remove(call.created);
      if (response.status >= 400) throw this.#refusal(call, response.status, await response.text());
      return { status: response.status, headers: await this.#headersOf(call, response), finished: call.finished };
    } finally {
      this.#calls.delete(request);
      raw.off('close', end).unpipe(bytes);
      bytes.destroy();
      // The remaining bytes of a refused request are read and dropped, so that the client can read the answer.
      raw.resume();
    }
  }

  async #headersOf({ method, id, created, locationOf }: Call, { headers }: Response): Promise<Record<string, string>> {
    const kept: Record<string, string> = {};
    // The app sets the headers for CORS, for the connection and for the body.
    for (const [name, value] of headers)
      if (!/^(access-control-.*|connection|content-length|content-type)$/.test(name)) kept[name] = value;
    // The tus server omits the first if an entity had these bytes already (200), and the second if no bytes arrived.
    if (created !== undefined) {
      kept.location = locationOf(created);
      kept['upload-offset'] ??= '0';
    }
    const { entity_id } = (method === 'HEAD' && id !== undefined && (await this.#files.record(id))) || {};
    if (entity_id !== undefined) kept['x-entity-id'] = String(entity_id);
    return kept;
  }

  #refusal({ refused }: Call, status: number, text: string): unknown {
    const body = (refused as { body?: unknown } | undefined)?.body;
    if (refused instanceof HttpError) return refused;
    if (refused instanceof Error && body === undefined) return storageFault(refused);
    return REWORDED.get(text)?.() ?? new HttpError(status, text.trim());
  }

  close(): void {
    clearInterval(this.#cleaner);
  }
}
