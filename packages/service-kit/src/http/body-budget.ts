/**
 * The memory that the bodies of all requests of this process may take together. A caller that holds half of it gets no
 * more, so that one caller cannot keep the others out. A file that streams to the disk counts with its buffers, not with its size.
 */
import { HttpError } from '../errors.js';

export const DEFAULT_BODY_BUDGET = 67_108_864;

const RETRY_AFTER = '2';

const exhausted = (): HttpError =>
  new HttpError(503, 'The server is reading as many requests as its memory allows. Try again in a moment', {
    code: 'overloaded',
    headers: { 'retry-after': RETRY_AFTER, connection: 'close' },
  });

/** The part of the budget that one request holds. */
export interface BodyLease {
  /** @throws HttpError 503 */
  readonly add: (bytes: number) => void;
  readonly release: () => void;
}

export class BodyBudget {
  readonly #total: number;
  #used = 0;
  readonly #byCaller = new Map<string, number>();

  constructor(total: number = DEFAULT_BODY_BUDGET) {
    this.#total = total;
  }

  /** Bytes in use. */
  get used(): number {
    return this.#used;
  }

  /** @param caller who sends the body: a user, or the address of a stranger */
  lease(caller: string): BodyLease {
    let held = 0;
    let released = false;
    return {
      add: (bytes) => {
        // Bytes that still arrive from a client that has left hold nothing.
        if (released) return;
        const own = this.#byCaller.get(caller) ?? 0;
        if (this.#used + bytes > this.#total || own + bytes > this.#total / 2) throw exhausted();
        held += bytes;
        this.#used += bytes;
        this.#byCaller.set(caller, own + bytes);
      },
      release: () => {
        const left = (this.#byCaller.get(caller) ?? 0) - held;
        if (left > 0) this.#byCaller.set(caller, left);
        else this.#byCaller.delete(caller);
        this.#used -= held;
        held = 0;
        released = true;
      },
    };
  }
}
