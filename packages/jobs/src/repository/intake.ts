import { PRIORITY } from '@cl-server/contract';
import { Batcher } from '@cl-server/kit';
import type { Kysely } from 'kysely';
import type { Committed } from '../events/committed.js';
import { isJobId } from '../id.js';
import { recordOf } from '../record.js';
import type { JobRow, JobTables } from '../tables.js';
import type { AddOptions, AddResult, NewJob } from '../types.js';
import { QUARANTINE, quarantined, quarantineKey } from './crashes.js';
import type { HotPaths, InsertItem, InsertOutcome, InsertRow } from './hot-paths.js';

/** Jobs of one transaction; bounds its time. */
const MAX_BATCH_SIZE = 500;
const DEFAULT_MAX_RETRIES = 3;
const DEFAULT_TIMEOUT_MS = 600_000;

export interface IntakeOptions {
  readonly hot: HotPaths;
  readonly kysely: Kysely<JobTables>;
  readonly shows: boolean;
  readonly now: () => number;
  readonly committed: (changes: readonly Committed[]) => void;
}

/** New jobs: checked, stored, announced. */
export class Intake {
  readonly #options: IntakeOptions;
  readonly #inserts: Batcher<InsertItem, InsertOutcome>;

  constructor(options: IntakeOptions) {
    this.#options = options;
    this.#inserts = new Batcher((items) => options.hot.insert(items), { maxItems: MAX_BATCH_SIZE });
  }

  async add(jobs: readonly NewJob[], { maxQueued, maxBytes }: AddOptions = {}): Promise<readonly AddResult[]> {
    const { kysely, committed } = this.#options;
    const barred = await quarantined(
      kysely,
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
    committed(announcements);
    return results;
  }

  #row(job: NewJob, barred: ReadonlySet<string>): InsertRow {
    if (!isJobId(job.job_id)) throw new TypeError('a job id is letters, digits, - and _: see newJobId()');
    const now = this.#options.now();
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
      shown: this.#options.shows ? 1 : 0,
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
