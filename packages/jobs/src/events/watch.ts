import { isTerminal } from '@cl-server/contract';
import { WakeSignal } from '@cl-server/kit';
import type { JobEventListener, JobRecord } from '../types.js';

/** Without any event, a watched job is looked at this often. */
const LOOK_MS = 1_000;

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
      await signalled.wait(LOOK_MS);
    }
  } finally {
    signal.removeEventListener('abort', stop);
    unsubscribe();
  }
}
