import type { Job, watchJob } from '@cl-server/contract';
import { readEventStream } from '../http/event-stream.js';
import type { HttpClient } from '../http/http-client.js';
import { requestOf } from '../http/request.js';
import type { JobChannel, JobListener } from './channel.js';

/** A server sends a sign of life more often than this. */
const SILENCE = 45_000;

/** Changes of one job over one HTTP connection. */
export class SseJobChannel implements JobChannel {
  readonly name = 'sse';
  readonly #http: HttpClient;

  constructor(http: HttpClient) {
    this.#http = http;
  }

  async attach(jobId: string, listener: JobListener, signal: AbortSignal | undefined): Promise<() => void> {
    const stop = new AbortController();
    const either = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal;
    const answer = await this.#http.open(
      requestOf<typeof watchJob>({
        method: 'GET',
        path: '/jobs/{job_id}/events',
        params: { job_id: jobId },
        headers: { accept: 'text/event-stream' },
        idempotent: false,
      }),
      { signal: either, timeoutMs: SILENCE },
    );
    const read = async (): Promise<void> => {
      try {
        for await (const { data } of readEventStream(answer.chunks())) listener.job(JSON.parse(data) as Job);
      } finally {
        if (!either.aborted) listener.lost();
      }
    };
    // Why it broke does not matter: the follower reads the state over HTTP and looks for another channel.
    read().catch(() => undefined);
    return () => stop.abort();
  }
}
