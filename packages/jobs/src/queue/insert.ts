/** New jobs: checked, stored, published. */
import { PRIORITY } from '@cl-server/contract';
import { Batcher } from '@cl-server/kit';
import type { DatabaseAdapter } from '@cl-server/service-kit';
import type { JobContext } from '../context.js';
import type { Committed } from '../events/publisher.js';
import { isJobId, type JobRecord, recordOf } from '../job.js';
import type { JobRow } from '../tables.js';
import { QUARANTINE, quarantined, quarantineKey } from './crashes.js';
import type { InsertItem, InsertOutcome, InsertRow, JobDialect, OverBudget } from './dialect.js';
import type { Tx } from './update.js';

/** A job to insert. */
export interface NewJob {
  /** From `newJobId()`; made before the row, because the files lie in a folder of that name. */
  readonly job_id: string;
  readonly task_type: string;
  readonly params: Readonly<Record<string, unknown>>;
  /** 0 to 10; default 5. */
  readonly priority?: number;
  readonly created_by?: string | null;
  /** Automatic tries after the first; default 3. */
  readonly max_retries?: number;
  /** Longest run of one attempt; default 600,000. */
  readonly timeout_ms?: number;
  /** Unique for its creator: a second job with the same key is not made. */
  readonly idempotency_key?: string;
  /** Hash of the request; with the same key and another fingerprint the answer is `conflict`. */
  readonly fingerprint?: string;
  /** SHA-256 of the input: a file on which a task crashed twice is quarantined, whichever job brings it. */
  readonly input_sha256?: string;
  /** Size of its input files; default 0. */
  readonly input_bytes?: number;
}

export interface AddOptions {
  /** Bytes that the creator may keep in all, these inputs included; checked in the same transaction. 0: no limit. */
  readonly maxBytes?: number;
  /** Queued jobs that the creator may have at once, this one included; checked in the same transaction. */
  readonly maxQueued?: number;
}

/** The outcome of `addJob`. */
export type AddResult =
  | { readonly outcome: 'created'; readonly job: JobRecord }
  /** The idempotency key was used for the same request: its job. The caller removes the folder it made. */
  | { readonly outcome: 'existing'; readonly job: JobRecord }
  /** The idempotency key was used for another request. */
  | { readonly outcome: 'conflict'; readonly job: JobRecord }
  /** With its input, the creator would keep more than `maxBytes`. */
  | ({ readonly outcome: 'over_budget' } & OverBudget)
  /** The creator has `maxQueued` jobs waiting. */
  | { readonly outcome: 'limited'; readonly queued: number };

/** Jobs of one transaction; bounds its time. */
const MAX_BATCH_SIZE = 500;
const DEFAULT_MAX_RETRIES = 3;
const DEFAULT_TIMEOUT_MS = 600_000;

export class JobInserter {
  readonly #context: JobContext;
  readonly #inserts: Batcher<InsertItem, InsertOutcome>;

  constructor(context: JobContext, dialect: JobDialect) {
    this.#context = context;
    this.#inserts = new Batcher((items) => dialect.insert(items), { maxItems: MAX_BATCH_SIZE });
  }

  async add(jobs: readonly NewJob[], { maxQueued, maxBytes }: AddOptions = {}): Promise<readonly AddResult[]> {
    const { database, publish } = this.#context;
    const barred = await quarantined(
      database.kysely,
      jobs.flatMap(({ input_sha256 }) => input_sha256 ?? []),
    );
    const rows = jobs.map((job) => this.#row(job, barred));
    const outcomes = await this.#inserts.addAll(
      rows.map((row) => ({ row, maxQueued, maxBytes: maxBytes || undefined })),
    );
    const announcements: Committed[] = [];
    const results = outcomes.map((outcome, index): AddResult => {
      const row = rows[index] as InsertRow;
      if (outcome.outcome === 'limited' || outcome.outcome === 'over_budget') return outcome;
      if (outcome.outcome === 'existing')
        return {
          outcome: outcome.row.fingerprint === row.fingerprint ? 'existing' : 'conflict',
          job: recordOf(outcome.row),
        };
      announcements.push({
        job_id: row.job_id,
        event: row.status,
        progress: 0,
        at: row.created_at,
        createdAt: row.created_at,
        outboxSeq: outcome.outboxSeq,
      });
      return { outcome: 'created', job: recordOf(inserted(row)) };
    });
    publish(announcements);
    return results;
  }

  #row(job: NewJob, barred: ReadonlySet<string>): InsertRow {
    if (!isJobId(job.job_id)) throw new TypeError('a job id is letters, digits, - and _: see newJobId()');
    const now = this.#context.now();
    const isBarred = job.input_sha256 !== undefined && barred.has(quarantineKey(job.task_type, job.input_sha256));
    return {
      job_id: job.job_id,
      task_type: job.task_type,
      status: isBarred ? 'failed' : 'queued',
      priority: job.priority ?? PRIORITY.default,
      params: JSON.stringify(job.params),
      error_code: isBarred ? QUARANTINE.code : null,
      error_message: isBarred ? QUARANTINE.message : null,
      created_at: now,
      completed_at: isBarred ? now : null,
      created_by: job.created_by ?? null,
      max_retries: job.max_retries ?? DEFAULT_MAX_RETRIES,
      timeout_ms: job.timeout_ms ?? DEFAULT_TIMEOUT_MS,
      idempotency_key: job.idempotency_key ?? null,
      fingerprint: job.fingerprint ?? null,
      input_sha256: job.input_sha256 ?? null,
      input_bytes: job.input_bytes ?? 0,
      shown: this.#context.publishesStatus ? 1 : 0,
    };
  }
}

/** The whole row of a job just inserted, without reading it again. */
const inserted = (row: InsertRow): JobRow => ({
  ...row,
  seq: 0,
  output: null,
  result_bytes: null,
  progress: 0,
  updated_at: row.created_at,
  started_at: null,
  retry_count: 0,
  attempt: 0,
  committed_attempt: null,
  token: null,
  worker_id: null,
  lease_until: null,
  run_after: null,
  cancel_requested: 0,
});

/**
 * Counts a creator's queued jobs, under the lock that creation takes too.
 * @returns their number if it has reached the limit, undefined if one more is allowed
 */
export async function limitReached(
  tx: Tx,
  adapter: DatabaseAdapter,
  creator: string | null,
  maxQueued: number | undefined,
): Promise<number | undefined> {
  if (maxQueued === undefined) return undefined;
  await adapter.lock(tx, `jobs:${creator ?? ''}`);
  const { queued } = await tx
    .selectFrom('jobs')
    .select((eb) => eb.fn.countAll<number>().as('queued'))
    .where('created_by', creator === null ? 'is' : '=', creator)
    .where('status', '=', 'queued')
    .executeTakeFirstOrThrow();
  return Number(queued) >= maxQueued ? Number(queued) : undefined;
}
