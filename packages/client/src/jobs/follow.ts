/**
 * Follows a job to its end.
 *
 * Messages of channels are hints; the answer of `GET /jobs/{id}` is the truth. Whatever gets lost on the way, a message, a
 * broker, the server itself, the next look finds it:
 *
 * | channel attached | looks |
 * |---|---|
 * | yes | at the reported end, when the channel breaks, and every `SAFETY` ms |
 * | no | with growing pauses; a channel that failed or broke is tried again after `REATTACH` ms |
 */
import type { Job } from '@cl-server/contract';
import { isTerminal } from '@cl-server/contract/constants';
import { isAbort, NetworkError, TimeoutError, UnavailableError } from '../errors.js';
import type { JobChannel } from './channel.js';
import { Mailbox } from './mailbox.js';
import { hasEnded, type JobUpdate, updateOfJob } from './state.js';

export interface PollPolicy {
  /** First pause, in milliseconds. */
  readonly firstMs: number;
  readonly factor: number;
  readonly maxMs: number;
}
export const DEFAULT_POLL: PollPolicy = { firstMs: 250, factor: 1.5, maxMs: 10_000 };

const SAFETY = 5_000;
const REATTACH = 5_000;
/** A server that answers nothing for this long is not coming back. */
const UNREACHABLE = 120_000;

export interface FollowOptions {
  readonly channels: readonly JobChannel[];
  readonly fetchJob: (signal: AbortSignal | undefined) => Promise<Job>;
  readonly onUpdate?: (update: JobUpdate) => void;
  readonly signal?: AbortSignal | undefined;
  readonly poll?: PollPolicy | undefined;
  /** True if the first channel was prepared before the job existed: nothing can have been missed. */
  readonly prepared?: boolean;
}

type Letter = { update: JobUpdate } | { job: Job } | 'lost';

class Follower {
  readonly #jobId: string;
  readonly #options: FollowOptions;
  readonly #box = new Mailbox<Letter>();
  #detach: (() => void) | undefined;
  #attached: JobChannel | undefined;
  /** A channel that failed or broke is left alone until then. */
  readonly #notBefore = new Map<JobChannel, number>();
  #lastSeen = '';
  #unreachableSince: number | undefined;

  constructor(jobId: string, options: FollowOptions) {
    this.#jobId = jobId;
    this.#options = options;
  }

  async run(): Promise<Job> {
    const { signal, poll = DEFAULT_POLL, prepared = false } = this.#options;
    let pause = poll.firstMs;
    try {
      for (let look = !prepared; ; look = true) {
        await this.#attach();
        if (look || !this.#detach) {
          const seen = this.#lastSeen;
          const job = await this.#look();
          if (job && hasEnded(job)) return job;
          pause = this.#lastSeen === seen ? Math.min(poll.maxMs, pause * poll.factor) : poll.firstMs;
        }
        const job = await this.#listen(this.#detach ? SAFETY : Math.min(pause, poll.maxMs), signal);
        if (job) return job;
      }
    } finally {
      this.#detach?.();
    }
  }

  /** Takes the first channel that is to be had. */
  async #attach(): Promise<void> {
    if (this.#detach) return;
    for (const channel of this.#options.channels) {
      if (performance.now() < (this.#notBefore.get(channel) ?? 0)) continue;
      try {
        this.#detach = await channel.attach(
          this.#jobId,
          {
            update: (update) => this.#box.put({ update }),
            job: (job) => this.#box.put({ job }),
            lost: () => this.#box.put('lost'),
          },
          this.#options.signal,
        );
        this.#attached = channel;
        return;
      } catch (error) {
        this.#options.signal?.throwIfAborted();
        if (isAbort(error)) throw error;
        this.#notBefore.set(channel, performance.now() + REATTACH);
      }
    }
  }

  /** The job by HTTP; undefined while the server is away. */
  async #look(): Promise<Job | undefined> {
    try {
      const job = await this.#options.fetchJob(this.#options.signal);
      this.#unreachableSince = undefined;
      this.#report(updateOfJob(job));
      return job;
    } catch (error) {
      const away = error instanceof NetworkError || error instanceof UnavailableError || error instanceof TimeoutError;
      this.#options.signal?.throwIfAborted();
      this.#unreachableSince ??= performance.now();
      if (!away || performance.now() - this.#unreachableSince > UNREACHABLE) throw error;
      return undefined;
    }
  }

  /** Passes changes on until it is time to look; a job that arrives whole and ended is given back. */
  async #listen(ms: number, signal: AbortSignal | undefined): Promise<Job | undefined> {
    const until = performance.now() + ms;
    for (;;) {
      const letter = await this.#box.take(Math.max(0, until - performance.now()), signal);
      if (letter === undefined) return undefined;
      if (letter === 'lost') {
        this.#detach?.();
        this.#detach = undefined;
        if (this.#attached) this.#notBefore.set(this.#attached, performance.now() + REATTACH);
        return undefined;
      }
      if ('job' in letter) {
        this.#report(updateOfJob(letter.job));
        if (hasEnded(letter.job)) return letter.job;
      } else {
        // Whether a failure was a cancellation stands in the job alone.
        if (isTerminal(letter.update.state)) return undefined;
        this.#report(letter.update);
      }
    }
  }

  #report(update: JobUpdate): void {
    const seen = `${update.state} ${update.progress}`;
    if (seen === this.#lastSeen) return;
    this.#lastSeen = seen;
    this.#options.onUpdate?.(update);
  }
}

/**
 * @returns the ended job, however it ended
 * @throws the signal's reason; NotFoundError if the job was deleted; NetworkError if the server stays away for two minutes
 */
export const followJob = (jobId: string, options: FollowOptions): Promise<Job> => new Follower(jobId, options).run();
