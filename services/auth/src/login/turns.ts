/**
 * Who may hash a password next. A hash occupies a core for about a quarter of a second, so a flood of logins must neither
 * grow a long queue nor keep known users out:
 *
 * - The queue is short, and nobody waits longer than a deadline (503 with `Retry-After`).
 * - Whoever has hung up is dropped at once.
 * - Known users (see `known-networks.ts`) come before strangers; every fourth turn is a stranger's all the same.
 * - Within a lane, sources take turns, so that a flood from one address delays that address alone.
 */
import { HttpError } from '@cl-server/service-kit';

export interface Turn {
  /** `known`: a user with a valid token, or with a recent success from this address. */
  readonly lane: 'known' | 'stranger';
  /** Who shares a place in the round: an address, or a user. */
  readonly source: string;
  /** Aborted when the client has gone. */
  readonly signal?: AbortSignal | undefined;
}

export interface TurnOptions {
  /** Turns at once. */
  readonly parallel: number;
  /** Waiting ones per lane. */
  readonly maxWaiting?: number;
  /** Waiting ones per source. */
  readonly maxPerSource?: number;
  /** Milliseconds that anybody waits at most. */
  readonly deadline?: number;
}

interface Waiter {
  readonly turn: Turn;
  readonly start: () => void;
  readonly refuse: (error: HttpError) => void;
}

const DEADLINE = 10_000;
const STRANGERS_TURN = 4;

const busy = (): HttpError =>
  new HttpError(503, 'Too many logins at once: try again shortly', { headers: { 'retry-after': '5' } });
/** Nobody reads it. */
const gone = (): HttpError => new HttpError(503, 'The client has gone');

/** Waiting ones by source; the source at the front is next, and then goes to the end. */
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
   * A full lane makes room at the cost of the source that holds most of it.
   * @throws HttpError 503 where that source is the newcomer's own
   */
  add(waiter: Waiter): void {
    const own = this.#sources.get(waiter.turn.source) ?? [];
    if (own.length >= this.maxPerSource) throw busy();
    if (this.#size >= this.maxWaiting) {
      const largest = [...this.#sources.values()].reduce((a, b) => (b.length > a.length ? b : a));
      const last = largest.at(-1);
      if (largest.length <= own.length + 1 || !last) throw busy();
      this.remove(last);
      last.refuse(busy());
    }
    own.push(waiter);
    this.#sources.set(waiter.turn.source, own);
    this.#size++;
  }

  remove(waiter: Waiter): void {
    const { source } = waiter.turn;
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

export class Turns {
  readonly #parallel: number;
  readonly #deadline: number;
  readonly #lanes: Readonly<Record<Turn['lane'], Lane>>;
  #running = 0;
  #count = 0;

  constructor({ parallel, maxWaiting = 64, maxPerSource = 32, deadline = DEADLINE }: TurnOptions) {
    this.#parallel = parallel;
    this.#deadline = deadline;
    this.#lanes = { known: new Lane(maxWaiting, maxPerSource), stranger: new Lane(maxWaiting, maxPerSource) };
  }

  get waiting(): number {
    return this.#lanes.known.size + this.#lanes.stranger.size;
  }

  /**
   * @returns what the work gives
   * @throws HttpError 503 if too many wait, the deadline passes or the client goes; the work has not begun then
   */
  async take<T>(turn: Turn, work: () => Promise<T>): Promise<T> {
    if (turn.signal?.aborted) throw gone();
    if (this.#running < this.#parallel) this.#running++;
    else await this.#wait(turn);
    try {
      return await work();
    } finally {
      this.#passOn();
    }
  }

  #wait(turn: Turn): Promise<void> {
    return new Promise((resolve, reject) => {
      const lane = this.#lanes[turn.lane];
      const leave = (): void => {
        clearTimeout(timer);
        turn.signal?.removeEventListener('abort', onAbort);
      };
      const waiter: Waiter = {
        turn,
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
      const onAbort = (): void => giveUp(gone());
      const timer = setTimeout(() => giveUp(busy()), this.#deadline);
      turn.signal?.addEventListener('abort', onAbort, { once: true });
      try {
        lane.add(waiter);
      } catch (error) {
        leave();
        reject(error);
      }
    });
  }

  #passOn(): void {
    const { known, stranger } = this.#lanes;
    this.#count++;
    const next =
      this.#count % STRANGERS_TURN === 0 ? (stranger.next() ?? known.next()) : (known.next() ?? stranger.next());
    if (next) next.start();
    else this.#running--;
  }
}
