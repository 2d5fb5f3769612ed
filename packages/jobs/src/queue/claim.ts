/**
 * Claiming jobs, and what a worker that holds one reports until its end: that it still lives (renewal) and how far it is
 * (progress). Every report carries the fencing token of the attempt; a token that is not the newest is refused.
 */
import { randomBytes } from 'node:crypto';
import type { JobContext } from '../context.js';
import type { Committed } from '../events/publisher.js';
import { type Fence, type JobRecord, recordOf } from '../job.js';
import { type ClaimedRow, fenceKey, type JobDialect } from './dialect.js';
import type { Leases } from './leases.js';

export interface ClaimRequest {
  readonly workerId: string;
  /** Task types that the worker can start, each with the number of jobs it can take at most. */
  readonly types: Readonly<Record<string, number>>;
  /** Maximum number of jobs. */
  readonly limit: number;
  /** Only jobs of this priority or higher: a worker's slot kept free for interactive work. */
  readonly minPriority?: number;
  /** The largest part of the queued jobs of a type that is claimed is one `share`th, rounded down. The rest is left to idle workers. */
  readonly share?: number;
  /** Length of the lease; default the engine's. */
  readonly leaseMs?: number;
}

/** A job given to a worker. All later calls carry `job_id` and `token`; a token that is not the newest is refused. */
export interface Claim {
  readonly job: JobRecord;
  /** Fencing token: attempt number and a random part. */
  readonly token: string;
  readonly attempt: number;
  readonly leaseUntil: number;
}

/** `ok`: continue. `cancel`: stop and call `fail` with `cancelled`. `lost`: stop, nothing more is accepted. */
export type LeaseState = 'ok' | 'cancel' | 'lost';

export interface RenewAnswer extends Fence {
  readonly state: LeaseState;
}

export interface ProgressReport extends Fence {
  /** Clamped to 0..99 and never lowered. */
  readonly percent: number;
}

export interface ClaimOptions {
  /** Random part of a fencing token; default from the system. */
  readonly random?: (() => string) | undefined;
  /** Claims look for expired leases and finished delays at most this often. */
  readonly upkeepMs: number;
}

export class JobClaims {
  readonly #context: JobContext;
  readonly #dialect: JobDialect;
  readonly #leases: Leases;
  readonly #options: ClaimOptions;
  #lastUpkeep = Number.NEGATIVE_INFINITY;

  constructor(context: JobContext, dialect: JobDialect, leases: Leases, options: ClaimOptions) {
    this.#context = context;
    this.#dialect = dialect;
    this.#leases = leases;
    this.#options = options;
  }

  async claim({
    workerId,
    types,
    limit,
    minPriority = 0,
    share = 1,
    leaseMs = this.#context.leaseMs,
  }: ClaimRequest): Promise<readonly Claim[]> {
    await this.#upkeep();
    const wanted = Object.entries(types)
      .filter(([, slots]) => slots > 0)
      .map(([type, slots]) => ({ type, slots }));
    if (limit <= 0 || wanted.length === 0) return [];
    const now = this.#context.now();
    const leaseUntil = now + leaseMs;
    const random = this.#options.random?.() ?? randomBytes(12).toString('base64url');
    const claimed = await this.#dialect.claim({
      types: wanted,
      limit,
      minPriority,
      share,
      now,
      leaseUntil,
      workerId,
      random,
    });
    this.#context.publish(claimed.map((taken) => claimedChange(taken, now)));
    return claimed.map((taken) => this.#claimOf(taken, leaseUntil));
  }

  #claimOf({ row }: ClaimedRow, leaseUntil: number): Claim {
    this.#context.metrics.claimed?.(row.task_type, Math.max(0, row.updated_at - row.created_at) / 1000);
    return { job: recordOf(row), token: row.token ?? '', attempt: row.attempt, leaseUntil };
  }

  async #upkeep(): Promise<void> {
    const now = this.#context.monotonic();
    if (now - this.#lastUpkeep < this.#options.upkeepMs) return;
    this.#lastUpkeep = now;
    await this.#leases.expire();
    await this.#leases.promote();
  }

  async renew(fences: readonly Fence[], leaseMs = this.#context.leaseMs): Promise<readonly RenewAnswer[]> {
    if (fences.length === 0) return [];
    const held = await this.#dialect.renew(fences, this.#context.now() + leaseMs);
    return fences.map(({ job_id, token }) => {
      const cancel = held.get(fenceKey({ job_id, token }));
      if (cancel === undefined) this.#context.metrics.fenced?.('renew');
      return { job_id, token, state: cancel === undefined ? 'lost' : cancel ? 'cancel' : 'ok' };
    });
  }

  async progress(reports: readonly ProgressReport[]): Promise<readonly boolean[]> {
    if (reports.length === 0) return [];
    const now = this.#context.now();
    const highest = new Map<string, ProgressReport>();
    for (const report of reports) {
      const percent = Math.max(clampPercent(report.percent), highest.get(fenceKey(report))?.percent ?? 0);
      highest.set(fenceKey(report), { job_id: report.job_id, token: report.token, percent });
    }
    const stored = await this.#dialect.progress([...highest.values()], now);
    this.#context.publish(
      [...stored].map(([key, progress]) => progressChange(highest.get(key)?.job_id ?? '', progress, now)),
    );
    return reports.map((report) => {
      const accepted = stored.has(fenceKey(report));
      if (!accepted) this.#context.metrics.fenced?.('progress');
      return accepted;
    });
  }
}

const clampPercent = (percent: number): number => (Number.isFinite(percent) ? Math.max(0, Math.floor(percent)) : 0);

const claimedChange = ({ row, outboxSeq }: ClaimedRow, at: number): Committed => ({
  job_id: row.job_id,
  event: row.status,
  progress: row.progress,
  at,
  createdAt: row.created_at,
  outboxSeq,
});

const progressChange = (job_id: string, progress: number, at: number): Committed => ({
  job_id,
  event: 'processing',
  progress,
  at,
  createdAt: at,
  outboxSeq: null,
  isProgress: true,
});
