/**
 * The methods and data that insight needs from its store. Both use one database: conditions on entities are given as SQL,
 * so that one query reads insights together with the state of their entities.
 */
import type { BlobStore } from '@cl-server/blobs';
import type { Entity, EntityQuery } from '@cl-server/contract';
import type { Kysely, RawBuilder, Transaction } from 'kysely';
import type { InsightTables } from './database/tables.js';

export type InsightDatabase = Kysely<InsightTables>;
export type InsightTransaction = Transaction<InsightTables>;

export interface Write {
  readonly db: InsightTransaction;
  /** Milliseconds; the same moment for all changes of the transaction. */
  readonly now: number;
  afterCommit(work: () => void): void;
}

/** Runs a transaction. At most one runs at a time. */
export type RunWrite = <T>(actor: string | null, work: (tx: Write) => Promise<T>) => Promise<T>;

/** Runs queries that may take more than a few milliseconds. */
export interface Reads {
  all<T>(query: RawBuilder<T>): Promise<readonly T[]>;
}

/** The properties of an entity with a file that planning needs. */
export interface FeedEntity {
  readonly id: number;
  readonly type: string | null;
  /** SHA-256 of its content. */
  readonly sha256: string | null;
  readonly version: number;
  /** It is not in the trash. */
  readonly isAlive: boolean;
}

export interface Content {
  /** Path of a file with its bytes, absolute. */
  readonly path: string;
  /** Name of the file. */
  readonly name: string;
  readonly size: number;
  readonly sha256: string;
}

/** The entities of the store and their changes, for the insight worker. */
export interface EntityFeed {
  /** Ids of entities that were changed after a transaction, in at most `limit` changes; `last` is the newest of these. */
  changedSince(transaction: number, limit: number): Promise<{ readonly ids: readonly number[]; readonly last: number }>;
  /** Entities of these types that are alive, in the order of their ids. */
  page(types: readonly string[], afterId: number, limit: number): Promise<readonly FeedEntity[]>;
  /** The entities of those ids that exist, without collections. */
  find(ids: readonly number[], db?: InsightTransaction): Promise<readonly FeedEntity[]>;
  /** @throws BlobError `not_found` if its bytes are gone */
  content(entityId: number): Promise<Content | undefined>;
  /** SQL condition: the entity is not in the trash. */
  isAlive(entityId: RawBuilder<unknown>): RawBuilder<boolean>;
  /** SQL condition: the entity is not in the trash, and has this content. */
  hasContent(entityId: RawBuilder<unknown>, sha256: RawBuilder<unknown>): RawBuilder<boolean>;
  /** SQL condition: the entity exists. */
  exists(entityId: RawBuilder<unknown>): RawBuilder<boolean>;
  /** Records a remark on a damaged picture in the facts of its content. */
  noteDamage(tx: Write, sha256: string, remark: string): Promise<void>;
  /** Records, in a transaction, jobs that must be deleted after it. */
  eraseJobs(db: InsightTransaction, jobIds: readonly string[], now: number): Promise<void>;
}

/** The filters of the entity list. */
export type EntityFilters = Omit<EntityQuery, 'page' | 'page_size' | 'cursor' | 'version' | 'filter_param'>;

export interface ViewedEntity {
  readonly md5: string | null;
  /** State of its HLS streams. */
  streamStatus(): Promise<string>;
}

/** The entities of the store in the form that clients receive. */
export interface EntityView {
  /** @throws HttpError 404 */
  get(entityId: number): Promise<ViewedEntity>;
  /** The entities of those ids that are not in the trash. */
  alive(ids: readonly number[]): Promise<ReadonlyMap<number, Entity>>;
  /** Ids of the entities that match the filters; undefined if no filter was given. */
  matching(filters: EntityFilters): Promise<ReadonlySet<number> | undefined>;
}

/** The media of the store. */
export interface MediaStore {
  /** Media and what is made of them; `.derived/…` holds what can be made again. */
  readonly blobs: BlobStore;
  /** Absolute path of the media folder: tasks of this machine read their inputs in it. */
  readonly root: string;
  /** Folder of this machine for files that are being received. */
  readonly incoming: string;
}
