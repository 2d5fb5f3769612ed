/**
 * Keeps the leases of running jobs, and learns which jobs are to stop. It runs in the worker's process, where no task runs:
 * a task that blocks its own process does not lose its lease.
 */
import type { Fence, JobRepository, LeaseState } from '@cl-server/jobs';
import type { Logger } from '@cl-server/service-kit';

/** A renewal may fail three times before the lease is over. */
const RENEWALS_PER_LEASE = 4;
const POLL_MS = 1_000;

export interface LeaseOptions {
  readonly repository: Pick<JobRepository, 'renew' | 'getJobs'>;
  /** Milliseconds. */
  readonly leaseMs: number;
  readonly logger: Logger;
}

interface Held extends Fence {
  readonly attempt: number;
  readonly onEnd: (state: Exclude<LeaseState, 'ok'>) => void;
}

export class Leases {
  readonly #options: LeaseOptions;
  readonly #held = new Map<string, Held>();
  readonly #timer: NodeJS.Timeout;
  #renewedAt = performance.now();
  #busy = false;

  constructor(options: LeaseOptions) {
    this.#options = options;
    this.#timer = setInterval(() => void this.#tick(), Math.min(POLL_MS, options.leaseMs / RENEWALS_PER_LEASE));
  }

  /**
   * Keeps a lease until the returned function is called.
   * @param onEnd called once when the job is to be cancelled, or belongs to another attempt by now
   */
  hold(fence: Fence, attempt: number, onEnd: Held['onEnd']): () => void {
    this.#held.set(fence.token, { ...fence, attempt, onEnd });
    return () => this.#held.delete(fence.token);
  }

  /** Another report of the attempt was refused, which is the same as a lost lease. */
  lost(token: string): void {
    this.#end(token, 'lost');
  }

  close(): void {
    clearInterval(this.#timer);
  }

  async #tick(): Promise<void> {
    if (this.#busy || this.#held.size === 0) return;
    this.#busy = true;
    try {
      const due = performance.now() - this.#renewedAt >= this.#options.leaseMs / RENEWALS_PER_LEASE;
      await (due ? this.#renew() : this.#poll());
    } catch (error) {
      this.#options.logger.warn({ err: error }, 'could not renew leases; trying again');
    } finally {
      this.#busy = false;
    }
  }

  async #renew(): Promise<void> {
    const asked = performance.now();
    const answers = await this.#options.repository.renew([...this.#held.values()], this.#options.leaseMs);
    this.#renewedAt = asked;
    for (const { token, state } of answers) if (state !== 'ok') this.#end(token, state);
  }

  /** Reading costs the database no write: between two renewals it is enough to see which jobs are to stop. */
  async #poll(): Promise<void> {
    const held = [...this.#held.values()];
    const jobs = await this.#options.repository.getJobs(held.map(({ job_id }) => job_id));
    for (const { job_id, token, attempt } of held) {
      const job = jobs.get(job_id);
      if (job?.status !== 'processing' || job.attempt !== attempt) this.#end(token, 'lost');
      else if (job.cancel_requested) this.#end(token, 'cancel');
    }
  }

  #end(token: string, state: Exclude<LeaseState, 'ok'>): void {
    const held = this.#held.get(token);
    if (!held) return;
    if (state === 'lost') this.#held.delete(token); // a cancelled job keeps its lease until it has stopped
    held.onEnd(state);
  }
}
