/** `GET /jobs/{id}/events`: server-sent events, for clients that have no MQTT (HTML standard §9.2). */
import { PassThrough } from 'node:stream';
import { isTerminal, watchJob } from '@cl-server/contract';
import { type JobEvents, type JobRecord, type JobRepository, jobView } from '@cl-server/jobs';
import { Answer, type App, HttpError, type Logger } from '@cl-server/service-kit';
import { type Caller, ownerOf, visibleJob } from './access.js';

export interface WatchOptions {
  readonly repository: JobRepository;
  readonly events: JobEvents;
  readonly logger: Logger;
  /** Streams that one user, or all guests together, may have open. */
  readonly maxStreams: number;
  /** Milliseconds between two comments that keep proxies from closing a quiet stream. */
  readonly keepAliveMs: number;
}

/** A stream ends at the latest then, or with the caller's token or right; clients reconnect by themselves. */
const MAX_LIFE = 3_600_000;
/** Milliseconds between two looks at the right: with the poll of revocations, a stream outlives it by less than 5 s. */
const LOOK_INTERVAL = 1_000;
const RECONNECT_AFTER = 2_000;
/** A reader has so long to take what was written before the end; a connection that takes nothing would stay for ever. */
const LAST_READ_MS = 1_000;

/** Tells one state of a job from another; a client gives the last one back when it reconnects. */
const stateId = (job: JobRecord): string => `${job.updated_at ?? job.created_at}-${job.status}-${job.progress}`;

const message = (job: JobRecord): string => `id: ${stateId(job)}\ndata: ${JSON.stringify(jobView(job))}\n\n`;

/** Resolves when the reader has room again, is gone, or the signal aborts. */
const roomIn = (stream: PassThrough, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const done = (): void => {
      stream.off('drain', done);
      stream.off('close', done);
      signal.removeEventListener('abort', done);
      resolve();
    };
    stream.on('drain', done);
    stream.on('close', done);
    signal.addEventListener('abort', done);
    if (signal.aborted) done();
  });

/** Ends a stream; a reader that takes nothing is cut off. */
function endSoon(stream: PassThrough): void {
  stream.end();
  const cut = setTimeout(() => stream.destroy(), LAST_READ_MS);
  stream.once('close', () => clearTimeout(cut));
}

export class JobStreams {
  readonly #options: WatchOptions;
  readonly #open = new Map<AbortController, string | null>();
  #isClosed = false;

  constructor(options: WatchOptions) {
    this.#options = options;
  }

  /**
   * @param authorize asks again whether the caller may listen; rejects with an HttpError where not
   * @throws HttpError 429
   */
  open(job: JobRecord, caller: Caller, authorize: () => Promise<unknown>): PassThrough {
    const owner = ownerOf(caller);
    const mine = [...this.#open.values()].filter((other) => other === owner).length;
    if (mine >= this.#options.maxStreams)
      throw new HttpError(429, `You have ${mine} event streams open, as many as this server allows: close some`, {
        headers: { 'retry-after': '5' },
      });
    const stream = new PassThrough();
    const abort = new AbortController();
    this.#open.set(abort, owner);
    // A request that was running when the server began to close would keep it open for an hour.
    if (this.#isClosed) abort.abort();
    const life = Math.min(MAX_LIFE, caller ? caller.exp * 1000 - Date.now() : MAX_LIFE);
    const deadline = setTimeout(() => abort.abort(), Math.max(0, life));
    const keepAlive = setInterval(() => stream.write(': still here\n\n'), this.#options.keepAliveMs);
    const look = setInterval(() => {
      authorize().catch((error: unknown) => {
        // If the permission cannot be checked now, it was not withdrawn.
        if (error instanceof HttpError && error.status < 500) abort.abort();
      });
    }, LOOK_INTERVAL);
    stream.once('close', () => abort.abort());
    void this.#pump(job.job_id, stream, abort.signal).finally(() => {
      clearTimeout(deadline);
      clearInterval(keepAlive);
      clearInterval(look);
      this.#open.delete(abort);
      endSoon(stream);
    });
    return stream;
  }

  async #pump(jobId: string, stream: PassThrough, signal: AbortSignal): Promise<void> {
    stream.write(`retry: ${RECONNECT_AFTER}\n\n`);
    try {
      let last: JobRecord | undefined;
      for await (const job of this.#options.events.watch(jobId, { signal })) {
        last = job;
        if (!stream.write(message(job))) await roomIn(stream, signal);
      }
      if (!signal.aborted && !(last && isTerminal(last.status))) stream.write('event: deleted\ndata: {}\n\n');
    } catch (error) {
      this.#options.logger.warn({ err: error, job_id: jobId }, 'event stream broke off');
    }
  }

  /** Ends all streams, and those that are still to be opened, so that the server can close. */
  close(): void {
    this.#isClosed = true;
    for (const abort of this.#open.keys()) abort.abort();
  }
}

export function serveWatch(app: App, options: WatchOptions): void {
  const streams = new JobStreams(options);
  app.fastify.addHook('preClose', async () => streams.close());
  app.handle(watchJob, async ({ params, user, request, reply }) => {
    const job = await visibleJob(options.repository, user, params.job_id);
    if (isTerminal(job.status) && request.headers['last-event-id'] === stateId(job)) return new Answer(204, undefined);
    reply.type('text/event-stream; charset=utf-8').headers({ 'cache-control': 'no-store', 'x-accel-buffering': 'no' });
    const stillAllowed = () => app.authorize(watchJob.guard, request);
    return reply.send(request.method === 'HEAD' ? '' : streams.open(job, user, stillAllowed));
  });
}
