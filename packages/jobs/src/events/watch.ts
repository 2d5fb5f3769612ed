import { isTerminal } from '@cl-server/contract';
import { WakeSignal } from '@cl-server/kit';
import type { JobRecord } from '../job.js';
import type { JobEventListener } from './publisher.js';

/** How often a watched job is read if no event comes. */
const POLL_MS = 1_000;

/** Events of jobs, as services use them. */
export interface JobEvents {
  /** Events of every process while the broker is connected, else of this process. @returns a function that stops it */
  subscribe(listener: JobEventListener): () => void;
  /**
   * The job now and at every change, until its end; by events, and by polling every second without them.
   * Ends at once for a missing job. Slow readers see the newest state, not every one.
   */
  watch(jobId: string, options: { readonly signal: AbortSignal }): AsyncIterable<JobRecord>;
  /** Publishes what a process that died, or a broker that was away, left behind. @returns how many */
  relay(): Promise<number>;
  /** Waits until all that was committed here is with the broker, or known to the outbox as not. */
  flush(): Promise<void>;
}

export interface WatchSources {
  readonly read: (jobId: string) => Promise<JobRecord | undefined>;
  readonly subscribe: (listener: JobEventListener) => () => void;
}

const stateOf = (job: JobRecord): string =>
  `${job.status} ${job.progress} ${job.attempt} ${job.updated_at} ${job.cancel_requested}`;

/** The job now and at every change that is seen, until its end, its removal, or the signal. */
export async function* watchJob(
  jobId: string,
  signal: AbortSignal,
  { read, subscribe }: WatchSources,
): AsyncGenerator<JobRecord, void, void> {
  const signalled = new WakeSignal();
  const unsubscribe = subscribe((event) => {
    if (event.job_id === jobId) signalled.set();
  });
  const stop = (): void => signalled.set();
  signal.addEventListener('abort', stop);
  try {
    let seen: string | undefined;
    while (!signal.aborted) {
      const job = await read(jobId);
      if (!job || signal.aborted) return;
      const state = stateOf(job);
      if (state !== seen) yield job;
      seen = state;
      if (isTerminal(job.status)) return;
      await signalled.wait(POLL_MS);
    }
  } finally {
    signal.removeEventListener('abort', stop);
    unsubscribe();
  }
}
