import type { Job } from '@cl-server/contract';
import type { JobUpdate } from './state.js';

/** The messages of a channel about one job. */
export interface JobListener {
  /** A change of state or progress. */
  update(update: JobUpdate): void;
  /** The whole job, where the channel carries it. */
  job(job: Job): void;
  /** From now on changes may be missed; the channel says nothing further. */
  lost(): void;
}

/** A way by which changes of jobs come by themselves. */
export interface JobChannel {
  readonly name: string;
  /**
   * Listens ahead of the job's creation, so that not even the fastest job's events are missed.
   * @throws if the channel is not to be had
   */
  prepare?(): Promise<() => void>;
  /**
   * Resolves when changes arrive from now on.
   * @returns how to stop
   * @throws if the channel is not to be had
   */
  attach(jobId: string, listener: JobListener, signal: AbortSignal | undefined): Promise<() => void>;
}
