/**
 * New connections: those that have not identified themselves yet.
 *
 * ```
 * silent --first bytes--> waiting --its turn--> read --CONNECT, identity known--> leaves this list
 *    |                       |                   |
 *    +--too many, or the client left, or the handshake's deadline--> closed
 * ```
 *
 * The broker creates nothing for a connection before it sends something. It reads the first bytes in the order of arrival, one
 * address after the other. So connections that are opened and closed at once cost little and delay nobody.
 */
import type { Socket } from 'node:net';
import type { Budget } from './budget.js';
import { busiest, type Connection } from './connections.js';
import type { BrokerLimits } from './limits.js';

interface Newcomer {
  readonly connection: Connection;
  readonly open: () => void;
  readonly since: number;
  /** The turn of the event loop in which it was accepted. */
  readonly turn: number;
  state: 'silent' | 'waiting' | 'read';
}

/** The number of turns of the event loop after which the bytes that a connection sent with its start have been read. */
const TURNS = 2;

export interface DoorOptions {
  readonly limits: Pick<BrokerLimits, 'newcomers' | 'newcomersAtOnce' | 'newcomersWaiting' | 'patience'>;
  /** The budget that pays for each newcomer that is read. */
  readonly budget: Budget;
  readonly now?: () => number;
}

export class Door {
  readonly #limits: DoorOptions['limits'];
  readonly #budget: Budget;
  readonly #now: () => number;
  /** The oldest first. */
  readonly #newcomers = new Map<Connection, Newcomer>();
  /** Those that wait for their turn, by address; the address whose turn is next comes first. */
  readonly #queues = new Map<string | undefined, Set<Newcomer>>();
  #waiting = 0;
  #turn = 0;
  #isTidying = false;
  #isReadingSoon = false;
  #timer: NodeJS.Timeout | undefined;
  #later: NodeJS.Timeout | undefined;

  constructor({ limits, budget, now = () => performance.now() }: DoorOptions) {
    this.#limits = limits;
    this.#budget = budget;
    this.#now = now;
  }

  /** @param open called when the first bytes are there and it is the connection's turn to be read */
  enter(connection: Connection, open: () => void): void {
    const { socket } = connection;
    const newcomer: Newcomer = { connection, open, since: this.#now(), turn: this.#turn, state: 'silent' };
    this.#newcomers.set(connection, newcomer);
    socket.once('readable', () => this.#queue(newcomer));
    socket.once('close', () => {
      this.#leaveQueue(newcomer);
      this.#newcomers.delete(connection);
    });
    this.#tidySoon();
  }

  /** Called when the connection is identified. */
  leave(connection: Connection): void {
    this.#newcomers.delete(connection);
  }

  close(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#later);
  }

  #queue(newcomer: Newcomer): void {
    const { socket, address } = newcomer.connection;
    if (hasLeft(socket)) {
      socket.destroy();
      return;
    }
    newcomer.state = 'waiting';
    const queue = this.#queues.get(address);
    if (queue) queue.add(newcomer);
    else this.#queues.set(address, new Set([newcomer]));
    if (++this.#waiting > this.#limits.newcomersWaiting) this.#dropOne();
    this.#readSoon();
  }

  #leaveQueue(newcomer: Newcomer): void {
    const { address } = newcomer.connection;
    const queue = this.#queues.get(address);
    if (!queue?.delete(newcomer)) return;
    this.#waiting--;
    if (queue.size === 0) this.#queues.delete(address);
  }

  /** Drops one of the longest queue: one whose client has left, otherwise the newest, which would be read last. */
  #dropOne(): void {
    const longest = [...this.#queues.values()].reduce((most, queue) => (queue.size > most.size ? queue : most));
    const candidates = [...longest];
    const dropped = candidates.find(({ connection }) => hasLeft(connection.socket)) ?? candidates.at(-1);
    if (!dropped) return;
    this.#leaveQueue(dropped);
    dropped.connection.socket.destroy();
  }

  /** Waits for two turns: a client that sends CONNECT and leaves at once is known to have left before anything is created for it. */
  #readSoon(): void {
    if (this.#isReadingSoon || this.#timer !== undefined) return;
    this.#isReadingSoon = true;
    setImmediate(() =>
      setImmediate(() => {
        this.#isReadingSoon = false;
        this.#read();
      }),
    );
  }

  #read(): void {
    this.#timer = undefined;
    while (this.#waiting > 0) {
      const { wait } = this.#budget;
      if (wait > 0) {
        this.#timer = setTimeout(() => this.#read(), wait);
        return;
      }
      const newcomer = this.#next();
      if (!newcomer) return;
      const { socket, spending } = newcomer.connection;
      if (hasLeft(socket)) {
        socket.destroy();
        continue;
      }
      newcomer.state = 'read';
      spending.enter();
      newcomer.open();
    }
  }

  #next(): Newcomer | undefined {
    const [first] = this.#queues;
    if (!first) return undefined;
    const [address, queue] = first;
    const [newcomer] = queue;
    if (newcomer) this.#leaveQueue(newcomer);
    if (this.#queues.delete(address)) this.#queues.set(address, queue); // The next address comes first now.
    return newcomer;
  }

  /** Runs after the present turn of the event loop, when everything that has arrived has been read. */
  #tidySoon(): void {
    if (this.#isTidying) return;
    this.#isTidying = true;
    setImmediate(() => {
      this.#isTidying = false;
      this.#turn++;
      this.#tidy();
    });
  }

  #tidyLater(): void {
    this.#later = undefined;
    this.#tidySoon();
  }

  /**
   * Makes room: of the address with the most newcomers, the oldest is closed first, and only if it had time to send something.
   * Otherwise newcomers of one address would replace each other, and none would be accepted.
   */
  #tidy(): void {
    const { newcomers, newcomersAtOnce, patience } = this.#limits;
    let excess = this.#newcomers.size - newcomers;
    if (excess <= 0) return;
    const latest = this.#now() - patience;
    const isLate = ({ since, turn, state }: Newcomer): boolean =>
      state !== 'waiting' && (since <= latest || this.#newcomers.size > newcomersAtOnce) && this.#turn - turn >= TURNS;
    const candidates = [...this.#newcomers.values()].filter(isLate).map(({ connection }) => connection);
    for (; excess > 0 && candidates.length > 0; excess--) {
      const [oldest] = busiest(candidates);
      if (!oldest) return;
      candidates.splice(candidates.indexOf(oldest), 1);
      this.#newcomers.delete(oldest);
      oldest.socket.destroy();
    }
    if (this.#newcomers.size > newcomersAtOnce) this.#tidySoon();
    else if (excess > 0) this.#later ??= setTimeout(() => this.#tidyLater(), patience);
  }
}

/** Whether the client has closed its side or the connection. Bytes that it sent before may be unread, and no public property tells then. */
export function hasLeft(socket: Socket): boolean {
  const { _readableState: state } = socket as unknown as { _readableState?: { ended?: boolean } };
  return socket.destroyed || state?.ended === true;
}
