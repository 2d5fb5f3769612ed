/**
 * Runs queries that may take more than a few milliseconds. On SQLite they run in reader threads, each with its own
 * connection, so that no request waits for the search of another one; on PostgreSQL they use the pool.
 */
import { Worker } from 'node:worker_threads';
import { byDialect, type Database, type SqliteDatabase } from '@cl-server/service-kit';
import type { RawBuilder } from 'kysely';
import type { StoreTables } from './tables.js';

export interface Reads {
  all<T>(query: RawBuilder<T>): Promise<readonly T[]>;
  close(): Promise<void>;
}

interface Reply {
  readonly id: number;
  readonly rows?: readonly unknown[];
  readonly error?: string;
}
interface Pending {
  resolve(rows: readonly unknown[]): void;
  reject(error: Error): void;
}

/** One reader thread. If it dies, its pending queries fail and the next query starts a new thread. */
class ReaderThread {
  readonly #pending = new Map<number, Pending>();
  #worker: Worker | undefined;
  #next = 0;
  constructor(private readonly file: string) {}

  get load(): number {
    return this.#pending.size;
  }

  #start(): Worker {
    const worker = new Worker(new URL('../../threads/reader.mjs', import.meta.url), {
      workerData: { file: this.file },
    });
    worker.on('message', ({ id, rows, error }: Reply) => {
      const pending = this.#pending.get(id);
      this.#pending.delete(id);
      if (error === undefined) pending?.resolve(rows ?? []);
      else pending?.reject(new Error(`query failed: ${error}`));
    });
    const lost = (cause?: unknown): void => {
      this.#worker = undefined;
      for (const { reject } of this.#pending.values()) reject(new Error('a reader thread ended', { cause }));
      this.#pending.clear();
    };
    worker.on('error', lost);
    worker.on('exit', () => lost());
    worker.unref();
    return worker;
  }

  ask(text: string, parameters: readonly unknown[]): Promise<readonly unknown[]> {
    this.#worker ??= this.#start();
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
      this.#worker?.postMessage({ id, text, parameters });
    });
  }

  async close(): Promise<void> {
    await this.#worker?.terminate();
  }
}

function threadedReads(database: SqliteDatabase<StoreTables>, count: number): Reads {
  const threads = Array.from({ length: count }, () => new ReaderThread(database.file));
  return {
    all: async <T>(query: RawBuilder<T>) => {
      const { sql, parameters } = query.compile(database.kysely);
      const free = threads.reduce((best, thread) => (thread.load < best.load ? thread : best));
      return (await free.ask(sql, parameters)) as readonly T[];
    },
    close: async () => {
      await Promise.all(threads.map((thread) => thread.close()));
    },
  };
}

/** @param threads reader threads of a SQLite database; ignored on PostgreSQL */
export function openReads(database: Database<StoreTables>, threads = 2): Reads {
  return byDialect(database, {
    sqlite: (sqlite): Reads => threadedReads(sqlite, threads),
    postgres: ({ kysely }) => ({
      all: async (query) => (await query.execute(kysely)).rows,
      close: async () => undefined,
    }),
  });
}
