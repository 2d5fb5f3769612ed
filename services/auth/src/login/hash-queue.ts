/**
 * The queue of passwords to hash. A hash occupies a core for about a quarter of a second, so a flood of logins must neither
 * grow a long queue nor keep known users out:
 *
 * - The queue is short, and no request waits longer than a deadline (503 with `Retry-After`).
 * - A request whose client has disconnected leaves the queue at once.
 * - Known users (see `known-networks.ts`) come before strangers, but every fourth hash is a stranger's.
 * - Within a lane, sources take turns, so that a flood from one address delays only that address.
 */
import { HttpError } from '@cl-server/service-kit';

export interface HashRequester {
  /** `known`: a user with a valid token or a recent success from this address. */
  readonly lane: 'known' | 'stranger';
  /** Requests of one source share one place in the round: an address, or a user. */
  readonly source: string;
  /** Aborted when the client disconnects. */
  readonly signal?: AbortSignal | undefined;
}

export interface HashQueueOptions {
  /** The number of hashes that run at once. */
  readonly parallel: number;
  /** The number of requests that may wait in one lane. */
  readonly maxWaiting?: number;
  /** The number of requests that may wait from one source. */
  readonly maxPerSource?: number;
  /** The longest wait in milliseconds. */
  readonly deadline?: number;
}

interface Waiter {
  readonly requester: HashRequester;
  readonly start: () => void;
  readonly refuse: (error: HttpError) => void;
}

const DEADLINE_MS = 10_000;
const STRANGER_EVERY = 4;

const busy = (): HttpError =>
  new HttpError(503, 'Too many simultaneous logins: try again shortly', { headers: { 'retry-after': '5' } });
/** Nobody receives this answer. */
const disconnected = (): HttpError => new HttpError(503, 'The client has disconnected');

/** Requests that wait, by source. The source at the front is served next and then moves to the end. */
class Lane {
  readonly #sources = new Map<string, Waiter[]>();
  #size = 0;

  constructor(
    private readonly maxWaiting: number,
    private readonly maxPerSource: number,
  ) {}

  get size(): number {
    return this.#size;
  }

  /**
   * Adds a request. A full lane makes room at the cost of the source that has most requests in it.
   * @throws HttpError 503 if that source is the same as the new request's
   */
  add(waiter: Waiter): void {
    const own = this.#sources.get(waiter.requester.source) ?? [];
    if (own.length >= this.maxPerSource) throw busy();
    if (this.#size >= this.maxWaiting) {
      const largest = [...this.#sources.values()].reduce((a, b) => (b.length > a.length ? b : a));
      const last = largest.at(-1);
      if (largest.length <= own.length + 1 || !last) throw busy();
      this.remove(last);
      last.refuse(busy());
    }
    own.push(waiter);
    this.#sources.set(waiter.requester.source, own);
    this.#size++;
  }

  remove(waiter: Waiter): void {
    const { source } = waiter.requester;
    const own = this.#sources.get(source);
    const at = own?.indexOf(waiter) ?? -1;
    if (!own || at < 0) return;
    own.splice(at, 1);
    this.#size--;
    if (own.length === 0) this.#sources.delete(source);
  }

  next(): Waiter | undefined {
    const [front] = this.#sources;
    const waiter = front?.[1][0];
    if (!front || !waiter) return undefined;
    this.remove(waiter);
    const [source, rest] = front;
    if (rest.length > 0) {
      this.#sources.delete(source);
      this.#sources.set(source, rest);
    }
    return waiter;
  }
}

export class HashQueue {
  readonly #parallel: number;
  readonly #deadline: number;
  readonly #lanes: Readonly<Record<HashRequester['lane'], Lane>>;
  #running = 0;
  #count = 0;

  constructor({ parallel, maxWaiting = 64, maxPerSource = 32, deadline = DEADLINE_MS }: HashQueueOptions) {
    this.#parallel = parallel;
    this.#deadline = deadline;
    this.#lanes = { known: new Lane(maxWaiting, maxPerSource), stranger: new Lane(maxWaiting, maxPerSource) };
  }

  get waiting(): number {
    return this.#lanes.known.size + this.#lanes.stranger.size;
  }

  /**
   * Runs the work when the requester's turn comes.
   * @returns the result of the work
   * @throws HttpError 503 if too many requests wait, the deadline passes or the client disconnects; the work has not started
   */
  async run<T>(requester: HashRequester, work: () => Promise<T>): Promise<T> {
    if (requester.signal?.aborted) throw disconnected();
    if (this.#running < this.#parallel) this.#running++;
    else await this.#wait(requester);
    try {
      return await work();
    } finally {
      this.#startNext();
    }
  }

  #wait(requester: HashRequester): Promise<void> {
    return new Promise((resolve, reject) => {
      const lane = this.#lanes[requester.lane];
      const leave = (): void => {
        clearTimeout(timer);
        requester.signal?.removeEventListener('abort', onAbort);
      };
      const waiter: Waiter = {
        requester,
        start: () => {
          leave();
          resolve();
        },
        refuse: (error) => {
          leave();
          reject(error);
        },
      };
      const giveUp = (error: HttpError): void => {
        lane.remove(waiter);
        waiter.refuse(error);
      };
      const onAbort = (): void => giveUp(disconnected());
      const timer = setTimeout(() => giveUp(busy()), this.#deadline);
      requester.signal?.addEventListener('abort', onAbort, { once: true });
      try {
        lane.add(waiter);
      } catch (error) {
        leave();
        reject(error);
      }
    });
  }

  #startNext(): void {
    const { known, stranger } = this.#lanes;
    this.#count++;
    const next =
      this.#count % STRANGER_EVERY === 0 ? (stranger.next() ?? known.next()) : (known.next() ?? stranger.next());
    if (next) next.start();
    else this.#running--;
  }
}
