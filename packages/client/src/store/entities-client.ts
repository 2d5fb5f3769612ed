import type {
  createEntity,
  deleteEntity,
  diffVersions,
  dropUpload,
  Entity,
  EntityList,
  EntityMetadata,
  EntityQuery,
  EntityVersion,
  getEntity,
  getMetadata,
  listEntities,
  listVersions,
  lookupEntity,
  patchEntity,
  replaceEntity,
  restoreVersion,
  VersionDiff,
} from '@cl-server/contract';
import { NotFoundError } from '../errors.js';
import { type ResumableOptions, uploadResumable } from '../files/resumable.js';
import { type FileInput, toFileBody } from '../files/source.js';
import type { OnProgress } from '../http/body.js';
import type { CallOptions, HttpClient } from '../http/http-client.js';
import type { Call } from '../http/request.js';

/** Filters of the entity list; all are optional. */
export type EntityFilters = Partial<Omit<EntityQuery, 'page' | 'cursor' | 'filter_param'>>;

export interface NewEntity {
  readonly label?: string | undefined;
  readonly description?: string | undefined;
  readonly parent_id?: number | undefined;
}

/** Fields of the new entity, and options of the transfer. */
export interface UploadOptions extends NewEntity, CallOptions {
  readonly onProgress?: OnProgress | undefined;
}

/** Fields of the new entity, and options of the transfer. */
export interface ResumableUploadOptions extends NewEntity, ResumableOptions {}

/** Result of an upload; `created` is false if an entity with these bytes existed already. */
export interface Uploaded {
  readonly entity: Entity;
  readonly created: boolean;
}

/** The new state of an entity, and options of the transfer of its file. */
export interface EntityReplacement extends UploadOptions {
  readonly label: string;
  readonly is_collection?: boolean | undefined;
  /** A new file; absent: the old one stays. */
  readonly file?: FileInput | undefined;
}

/** Fields that are left out stay as they are; null clears a field. */
export interface EntityPatch {
  readonly label?: string | null | undefined;
  readonly description?: string | null | undefined;
  readonly parent_id?: number | null | undefined;
  readonly is_deleted?: boolean | undefined;
}

/** Exactly one of these. */
export type EntityKey = { readonly sha256: string } | { readonly md5: string } | { readonly label: string };

/** Media and collections. */
export class EntitiesClient {
  readonly #http: HttpClient;

  constructor(http: HttpClient) {
    this.#http = http;
  }

  /** Address of the store that these are in. */
  get baseUrl(): string {
    return this.#http.baseUrl;
  }

  /**
   * One page, the newest first.
   *
   * @example
   * ```ts
   * const { items, pagination } = await store.entities.page({ type: 'image', page: 2 });
   * ```
   */
  page(query: Partial<EntityQuery> = {}, options?: CallOptions): Promise<EntityList> {
    return this.#http.call<typeof listEntities>({ method: 'GET', path: '/entities', query }, options);
  }

  /**
   * All entities that fit, the newest first; the pages are fetched on the way.
   *
   * @example
   * ```ts
   * for await (const entity of store.entities.list({ type: 'video', exclude_deleted: true })) console.log(entity.label);
   * ```
   */
  async *list(filters: EntityFilters = {}, options?: CallOptions): AsyncGenerator<Entity> {
    for (let cursor: string | undefined; ; ) {
      const { items, pagination } = await this.page({ page_size: 100, ...filters, cursor }, options);
      yield* items;
      if (pagination.next_cursor === null) return;
      cursor = pagination.next_cursor;
    }
  }

  /**
   * The live media entity of a digest, or the collection of a label; undefined where there is none.
   *
   * @example
   * ```ts
   * const known = await store.entities.lookup({ sha256 });
   * ```
   */
  async lookup(key: EntityKey, options?: CallOptions): Promise<Entity | undefined> {
    try {
      return await this.#http.call<typeof lookupEntity>(
        { method: 'GET', path: '/entities/lookup', query: key },
        options,
      );
    } catch (error) {
      if (error instanceof NotFoundError) return undefined;
      throw error;
    }
  }

  /**
   * One entity; with `version` as it was then.
   *
   * @example
   * ```ts
   * const before = await store.entities.get(7, { version: 1 });
   * ```
   */
  get(id: number, { version, ...options }: CallOptions & { readonly version?: number } = {}): Promise<Entity> {
    return this.#http.call<typeof getEntity>(
      { method: 'GET', path: '/entities/{entity_id}', params: { entity_id: id }, query: { version } },
      options,
    );
  }

  /**
   * Adds a collection.
   *
   * @example
   * ```ts
   * const { id } = await store.entities.createCollection({ label: 'Summer' });
   * ```
   */
  createCollection(collection: NewEntity & { readonly label: string }, options?: CallOptions): Promise<Entity> {
    return this.#http.call<typeof createEntity>(
      { method: 'POST', path: '/entities', form: { is_collection: true, ...collection } },
      options,
    );
  }

  /**
   * Adds a media file. If a live entity has the same bytes, that entity is returned, and `created` is false.
   *
   * @example
   * ```ts
   * const { entity, created } = await store.entities.upload('photo.jpg', {
   *   label: 'Beach',
   *   onProgress: ({ loaded, total }) => console.log(loaded, total),
   * });
   * ```
   */
  async upload(
    file: FileInput,
    { label, description, parent_id, onProgress, ...options }: UploadOptions = {},
  ): Promise<Uploaded> {
    const call: Call<typeof createEntity> = {
      method: 'POST',
      path: '/entities',
      form: { is_collection: false, label, description, parent_id },
      file: { field: 'media_file', body: await toFileBody(file), onProgress },
      idempotent: true,
    };
    const { status, data } = await this.#http.callWithStatus<typeof createEntity>(call, options);
    return { entity: data, created: status === 201 };
  }

  /**
   * Like `upload`, in pieces (tus): for large files and bad connections. A stream cannot be sent this way.
   *
   * @example
   * ```ts
   * const { entity } = await store.entities.uploadResumable('film.mp4', { label: 'Film', onUploadUrl: (url) => console.log(url) });
   * ```
   */
  async uploadResumable(
    file: FileInput,
    { label, description, parent_id, ...options }: ResumableUploadOptions = {},
  ): Promise<Uploaded> {
    const body = await toFileBody(file);
    const metadata = { filename: body.name, label, description, parent_id: parent_id?.toString() };
    const { status, data } = await uploadResumable(this.#http, body, metadata, options);
    return { entity: data, created: status === 201 };
  }

  /**
   * Gives up an upload that was begun with `uploadResumable`.
   *
   * @example
   * ```ts
   * await store.entities.dropUpload(uploadUrl);
   * ```
   */
  async dropUpload(uploadUrl: string, options?: CallOptions): Promise<void> {
    const id = decodeURIComponent(uploadUrl.split('/').at(-1) ?? '');
    const headers = { 'tus-resumable': '1.0.0' };
    await this.#http.call<typeof dropUpload>(
      { method: 'DELETE', path: '/uploads/{upload_id}', params: { upload_id: id }, headers },
      options,
    );
  }

  /**
   * Replaces label, description and parent (left out: null), and the file where one is given.
   *
   * @example
   * ```ts
   * await store.entities.replace(7, { label: 'Beach', is_collection: false, file: 'better.jpg' });
   * ```
   */
  async replace(
    id: number,
    { file, is_collection = false, label, description, parent_id, onProgress, ...options }: EntityReplacement,
  ): Promise<Entity> {
    const call: Call<typeof replaceEntity> = {
      method: 'PUT',
      path: '/entities/{entity_id}',
      params: { entity_id: id },
      form: { is_collection, label, description, parent_id },
      ...(file !== undefined && { file: { field: 'media_file', body: await toFileBody(file), onProgress } }),
    };
    return this.#http.call<typeof replaceEntity>(call, options);
  }

  /**
   * Changes what is given and keeps the rest.
   *
   * @example
   * ```ts
   * await store.entities.patch(7, { label: 'Beach', description: null });
   * ```
   */
  patch(id: number, patch: EntityPatch, options?: CallOptions): Promise<Entity> {
    return this.#http.call<typeof patchEntity>(
      { method: 'PATCH', path: '/entities/{entity_id}', params: { entity_id: id }, form: { ...patch } },
      options,
    );
  }

  /**
   * Moves an entity to the trash.
   *
   * @example
   * ```ts
   * await store.entities.trash(7);
   * ```
   */
  trash(id: number, options?: CallOptions): Promise<Entity> {
    return this.patch(id, { is_deleted: true }, options);
  }

  /**
   * Takes an entity out of the trash. @throws ConflictError if another live entity has the same bytes
   * @example
   * ```ts
   * await store.entities.restore(7);
   * ```
   */
  restore(id: number, options?: CallOptions): Promise<Entity> {
    return this.patch(id, { is_deleted: false }, options);
  }

  /**
   * Removes an entity for good, with everything in it, its history and its files; it need not be in the trash.
   *
   * @example
   * ```ts
   * await store.entities.delete(7);
   * ```
   */
  async delete(id: number, options?: CallOptions): Promise<void> {
    await this.trash(id, options);
    await this.#http.call<typeof deleteEntity>(
      { method: 'DELETE', path: '/entities/{entity_id}', params: { entity_id: id } },
      options,
    );
  }

  /**
   * Everything that could be read from the file, and what could not.
   *
   * @example
   * ```ts
   * const { tags } = await store.entities.metadata(7);
   * ```
   */
  metadata(
    id: number,
    { version, ...options }: CallOptions & { readonly version?: number } = {},
  ): Promise<EntityMetadata> {
    return this.#http.call<typeof getMetadata>(
      { method: 'GET', path: '/entities/{entity_id}/metadata', params: { entity_id: id }, query: { version } },
      options,
    );
  }

  /**
   * Changes of the entity, the oldest first: all of them, or at most `limit` of those after the version `after`.
   *
   * @example
   * ```ts
   * for (const { version, operation_type } of await store.entities.versions(7)) console.log(version, operation_type);
   * ```
   */
  versions(
    id: number,
    { after, limit, ...options }: CallOptions & { readonly after?: number; readonly limit?: number } = {},
  ): Promise<EntityVersion[]> {
    return this.#http.call<typeof listVersions>(
      { method: 'GET', path: '/entities/{entity_id}/versions', params: { entity_id: id }, query: { after, limit } },
      options,
    );
  }

  /**
   * Which fields differ between two versions. @param to default: the newest
   * @example
   * ```ts
   * const { changes } = await store.entities.diff(7, 1, 2);
   * ```
   */
  diff(id: number, from: number, to?: number, options?: CallOptions): Promise<VersionDiff> {
    return this.#http.call<typeof diffVersions>(
      { method: 'GET', path: '/entities/{entity_id}/versions/diff', params: { entity_id: id }, query: { from, to } },
      options,
    );
  }

  /**
   * Makes the entity what it was in a version, its file included; this is a new version.
   *
   * @example
   * ```ts
   * await store.entities.restoreVersion(7, 1);
   * ```
   */
  restoreVersion(id: number, version: number, options?: CallOptions): Promise<Entity> {
    return this.#http.call<typeof restoreVersion>(
      { method: 'POST', path: '/entities/{entity_id}/versions/{version}/restore', params: { entity_id: id, version } },
      options,
    );
  }
}
