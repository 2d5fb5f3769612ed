/** One attempt of a job, from its claim to its end. */
import type { Claim, Fence } from '@cl-server/jobs';

/** Why a job is stopped before its task has ended by itself. */
export type StopReason = 'timeout' | 'cancel' | 'lost' | 'drain';

/**
 * One claimed job. The first reason to stop it counts, except that `lost` overrides the others: then nothing may be
 * written any more.
 */
export class Attempt {
  readonly fence: Fence;
  #stopped: StopReason | undefined;
  #onStop: ((reason: StopReason) => void) | undefined;

  constructor(
    readonly claim: Claim,
    /** Whether it is computed together with others, which may be the cause of a failure. */
    readonly inBatch: boolean,
  ) {
    this.fence = { job_id: claim.job.job_id, token: claim.token };
  }

  get jobId(): string {
    return this.claim.job.job_id;
  }

  get stopped(): StopReason | undefined {
    return this.#stopped;
  }

  stop(reason: StopReason): void {
    const first = this.#stopped === undefined;
    if (first || reason === 'lost') this.#stopped = reason;
    if (first) this.#onStop?.(reason);
  }

  /** Calls back once when the job is to stop, at once if that was decided before. */
  onStop(listener: (reason: StopReason) => void): void {
    this.#onStop = listener;
    if (this.#stopped !== undefined) listener(this.#stopped);
  }
}
