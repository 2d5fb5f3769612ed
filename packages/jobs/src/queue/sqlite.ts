/**
 * The queue on SQLite: prepared statements on the bare handle, each batch one immediate transaction without an await in
 * it, so that no other process ever waits for this one's event loop.
 */
import type { SqliteDatabase } from '@cl-server/service-kit';
import type BetterSqlite3 from 'better-sqlite3';
import type { Fence } from '../job.js';
import { MAX_RUNNING_PROGRESS } from '../machine.js';
import type { JobRow, JobTables } from '../tables.js';
import {
  type ClaimArguments,
  type ClaimedRow,
  type CompletedRow,
  type CompleteItem,
  fenceKey,
  type InsertItem,
  type InsertOutcome,
  type InsertRow,
  type JobDialect,
  type ProgressItem,
} from './dialect.js';

/** SQLite plans a statement again for every value of a bare bound limit, but not for a sum. */
const LIMIT = 'limit (? + 0)';

const prepare = (db: BetterSqlite3.Database) => ({
  byKey: db.prepare<[string, string], JobRow>(
    `select * from jobs where coalesce(created_by, '') = ? and idempotency_key = ?`,
  ),
  queuedOf: db
    .prepare<[string], number>(`select count(*) from jobs where created_by = ? and status = 'queued'`)
    .pluck(),
  queuedOfNobody: db
    .prepare<[], number>(`select count(*) from jobs where created_by is null and status = 'queued'`)
    .pluck(),
  insert: db.prepare<[InsertRow]>(
    `insert into jobs (job_id, task_type, status, priority, params, error_code, error_message, created_at, updated_at,
       completed_at, created_by, max_retries, timeout_ms, idempotency_key, fingerprint, input_sha256, shown, input_bytes)
     values (:job_id, :task_type, :status, :priority, :params, :error_code, :error_message, :created_at, :created_at,
       :completed_at, :created_by, :max_retries, :timeout_ms, :idempotency_key, :fingerprint, :input_sha256, :shown, :input_bytes)`,
  ),
  announce: db.prepare<[string, string, number, number]>(
    'insert into job_outbox (job_id, event, progress, created_at) values (?, ?, ?, ?)',
  ),
  next: db.prepare<[string, number, number], JobRow>(
    `select * from jobs where status = 'queued' and run_after is null and task_type = ? and priority >= ?
     order by priority desc, created_at, seq ${LIMIT}`,
  ),
  waiting: db
    .prepare<[string, number, number], number>(
      `select count(*) from (select 1 from jobs where status = 'queued' and run_after is null and task_type = ?
         and priority >= ? ${LIMIT})`,
    )
    .pluck(),
  claim: db.prepare<[string, string, number, number, number, number]>(
    `update jobs set status = 'processing', attempt = attempt + 1, token = ?, worker_id = ?, lease_until = ?,
       started_at = ?, updated_at = ? where seq = ?`,
  ),
  used: db
    .prepare<[{ user: string; now: number }], number>(
      `select coalesce((select input_bytes + result_bytes + entity_bytes from job_usage where user_id = :user), 0)
         + coalesce((select sum(bytes) from usage_claims where user_id = :user and expires_at > :now), 0)`,
    )
    .pluck(),
  complete: db.prepare<
    [string | null, number, number, number, number, string, string],
    Omit<CompletedRow, 'outboxSeq'>
  >(
    `update jobs set status = 'completed', progress = 100, output = ?, error_code = null, error_message = null,
       committed_attempt = attempt, completed_at = ?, updated_at = ?, shown = ?, result_bytes = ?,
       token = null, worker_id = null, lease_until = null, cancel_requested = 0
     where job_id = ? and status = 'processing' and token = ?
     returning job_id, task_type, created_at, started_at`,
  ),
  progress: db
    .prepare<[number, number, string, string], number>(
      `update jobs set progress = max(progress, min(${MAX_RUNNING_PROGRESS}, ?)), updated_at = ?
       where job_id = ? and status = 'processing' and token = ? returning progress`,
    )
    .pluck(),
  renew: db
    .prepare<[number, string, string], number>(
      `update jobs set lease_until = ? where job_id = ? and status = 'processing' and token = ?
       returning cancel_requested`,
    )
    .pluck(),
});

const inOrder = (a: JobRow, b: JobRow): number =>
  b.priority - a.priority || a.created_at - b.created_at || a.seq - b.seq;

export class SqliteJobs implements JobDialect {
  readonly #database: SqliteDatabase<JobTables>;
  readonly #writesOutbox: boolean;
  #prepared: ReturnType<typeof prepare> | undefined;

  /** @param writesOutbox whether status changes go to the outbox */
  constructor(database: SqliteDatabase<JobTables>, writesOutbox: boolean) {
    this.#database = database;
    this.#writesOutbox = writesOutbox;
  }

  /** Prepared at first use: the tables may not be there yet when the engine is opened. */
  get #sql(): ReturnType<typeof prepare> {
    this.#prepared ??= prepare(this.#database.sqlite);
    return this.#prepared;
  }

  #write<T>(work: () => T): Promise<T> {
    return this.#database.exclusive((db) => db.transaction(work).immediate());
  }

  #announce(jobId: string, event: string, progress: number, now: number): number | null {
    if (!this.#writesOutbox) return null;
    return Number(this.#sql.announce.run(jobId, event, progress, now).lastInsertRowid);
  }

  insert(items: readonly InsertItem[]): Promise<readonly InsertOutcome[]> {
    return this.#write(() => items.map((item) => this.#insertOne(item)));
  }

  #insertOne({ row, maxQueued, maxBytes }: InsertItem): InsertOutcome {
    if (row.idempotency_key !== null) {
      const existing = this.#sql.byKey.get(row.created_by ?? '', row.idempotency_key);
      if (existing) return { outcome: 'existing', row: existing };
    }
    if (maxQueued !== undefined && row.status === 'queued') {
      const { queuedOf, queuedOfNobody } = this.#sql;
      const queued = (row.created_by === null ? queuedOfNobody.get() : queuedOf.get(row.created_by)) ?? 0;
      if (queued >= maxQueued) return { outcome: 'limited', queued };
    }
    if (maxBytes !== undefined && row.input_bytes) {
      const used = this.#sql.used.get({ user: row.created_by ?? '', now: row.created_at }) ?? 0;
      if (used + row.input_bytes > maxBytes) return { outcome: 'over_budget', used, allowed: maxBytes };
    }
    this.#sql.insert.run(row);
    return { outcome: 'created', outboxSeq: this.#announce(row.job_id, row.status, 0, row.created_at) };
  }

  claim(request: ClaimArguments): Promise<readonly ClaimedRow[]> {
    return this.#database.exclusive((db) => {
      // A look without the write lock: an empty queue costs the other processes nothing.
      if (this.#candidates(request).length === 0) return [];
      return db.transaction(() => this.#candidates(request).map((row) => this.#take(row, request))).immediate();
    });
  }

  #candidates({ types, limit, minPriority, share }: ClaimArguments): JobRow[] {
    const rows = types.flatMap(({ type, slots }) => {
      const most = this.#part(type, Math.min(slots, limit), minPriority, share);
      return most > 0 ? this.#sql.next.all(type, minPriority, most) : [];
    });
    return types.length === 1 ? rows : rows.sort(inOrder).slice(0, limit);
  }

  /** The number of wanted jobs that is no more than a share of the queue. */
  #part(type: string, wanted: number, minPriority: number, share: number): number {
    if (share === 1) return wanted;
    return Math.floor((this.#sql.waiting.get(type, minPriority, wanted * share) ?? 0) / share);
  }

  #take(row: JobRow, { now, leaseUntil, workerId, random }: ClaimArguments): ClaimedRow {
    const attempt = row.attempt + 1;
    const token = `${attempt}.${random}`;
    this.#sql.claim.run(token, workerId, leaseUntil, now, now, row.seq);
    const claimed: JobRow = {
      ...row,
      status: 'processing',
      attempt,
      token,
      worker_id: workerId,
      lease_until: leaseUntil,
      started_at: now,
      updated_at: now,
    };
    return { row: claimed, outboxSeq: this.#announce(row.job_id, 'processing', row.progress, now) };
  }

  complete(items: readonly CompleteItem[], now: number, shown: 0 | 1): Promise<ReadonlyMap<string, CompletedRow>> {
    return this.#write(() => {
      const done = new Map<string, CompletedRow>();
      for (const item of items) {
        const { job_id, token, output, result_bytes } = item;
        const row = this.#sql.complete.get(output, now, now, shown, result_bytes, job_id, token);
        if (row) done.set(fenceKey(item), { ...row, outboxSeq: this.#announce(job_id, 'completed', 100, now) });
      }
      return done;
    });
  }

  progress(items: readonly ProgressItem[], now: number): Promise<ReadonlyMap<string, number>> {
    return this.#write(() => {
      const stored = new Map<string, number>();
      for (const item of items) {
        const { job_id, token, percent } = item;
        const progress = this.#sql.progress.get(percent, now, job_id, token);
        if (progress !== undefined) stored.set(fenceKey(item), progress);
      }
      return stored;
    });
  }

  renew(items: readonly Fence[], leaseUntil: number): Promise<ReadonlyMap<string, boolean>> {
    return this.#write(() => {
      const held = new Map<string, boolean>();
      for (const item of items) {
        const cancel = this.#sql.renew.get(leaseUntil, item.job_id, item.token);
        if (cancel !== undefined) held.set(fenceKey(item), cancel === 1);
      }
      return held;
    });
  }
}
