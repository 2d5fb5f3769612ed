/**
 * Who is connected, and who is let in when it gets crowded.
 *
 * ```
 * accepted --CONNECT, identity known--> stranger | user | service --close--> gone
 *     |                                     |  ^        |
 *     +--handshake deadline, or the         |  +--------+ the token ended
 *        oldest when there are too many     +--idle, silent, or evicted--> closed
 * ```
 *
 * Services are never counted. A stranger who comes when all places are taken gets the place of a stranger that does
 * nothing: of the address with the most connections the one without a subscription that has been quiet for longest.
 */
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Client } from 'aedes';
import type { Identity } from './access.js';
import type { Budgets, Spending } from './budget.js';
import { ConnectionRefused } from './identify.js';
import type { BrokerLimits } from './limits.js';
import { PacketFollower } from './packet-reader.js';

export interface Connection {
  /** The TCP connection, whatever is spoken on it. */
  readonly socket: Socket;
  /** Undefined: this machine. */
  readonly address: string | undefined;
  readonly follower: PacketFollower;
  readonly spending: Spending;
  identity: Identity;
  client: Client | undefined;
  isIdentified: boolean;
  /** Seconds, as CONNECT says; 0: none. */
  keepalive: number;
  filters: number;
  refusals: number;
  /** When the client last sent something, and when something last went either way. */
  lastRead: number;
  lastMoved: number;
}

/** An IPv6 host has a whole /64. Undefined for addresses of this machine, which say nothing about who it is. */
export function addressKey(remote: string | undefined): string | undefined {
  if (remote === undefined) return undefined;
  const address = remote.startsWith('::ffff:') ? remote.slice(7) : remote;
  if (address === '::1' || address.startsWith('127.')) return undefined;
  return address.includes(':') ? address.split(':').slice(0, 4).join(':') : address;
}

export class Connections {
  readonly #limits: BrokerLimits;
  readonly #budgets: Budgets;
  readonly #now: () => number;
  readonly #all = new Set<Connection>();
  readonly #byStream = new WeakMap<Duplex, Connection>();
  #filters = 0;

  constructor(limits: BrokerLimits, budgets: Budgets, now: () => number = () => performance.now()) {
    this.#limits = limits;
    this.#budgets = budgets;
    this.#now = now;
  }

  /** A new TCP connection. It is forgotten when it closes, and dropped if it does not say who it is in time. */
  accept(socket: Socket): Connection {
    const address = addressKey(socket.remoteAddress);
    const now = this.#now();
    const connection: Connection = {
      socket,
      address,
      follower: new PacketFollower(this.#limits.packet.unknown),
      spending: this.#budgets.of(address),
      identity: { kind: 'stranger' },
      client: undefined,
      isIdentified: false,
      keepalive: 0,
      filters: 0,
      refusals: 0,
      lastRead: now,
      lastMoved: now,
    };
    this.#all.add(connection);
    const deadline = setTimeout(() => {
      if (!connection.isIdentified) socket.destroy();
    }, this.#limits.handshake);
    socket.once('close', () => {
      clearTimeout(deadline);
      this.#all.delete(connection);
      this.#filters -= connection.filters;
    });
    this.#dropOldestPending();
    return connection;
  }

  /** The stream that speaks MQTT on a connection: the socket itself, or a WebSocket's. */
  bind(stream: Duplex, connection: Connection): void {
    this.#byStream.set(stream, connection);
  }

  of(stream: Duplex): Connection | undefined {
    return this.#byStream.get(stream);
  }

  #where(test: (connection: Connection) => boolean): Connection[] {
    return [...this.#all].filter(test);
  }

  #dropOldestPending(): void {
    const pending = this.#where(({ isIdentified, socket }) => !isIdentified && !socket.destroyed);
    if (pending.length <= this.#limits.pending) return;
    const [oldest] = busiest(pending);
    oldest?.socket.destroy();
  }

  /**
   * Gives a connection that has said who it is its place.
   * @throws ConnectionRefused where there is none
   */
  admit(connection: Connection, identity: Identity): void {
    const { strangers, strangersPerAddress, users, connectionsPerUser, packet } = this.#limits;
    const others = this.#where((other) => other !== connection && other.isIdentified && !other.socket.destroyed);
    if (identity.kind === 'stranger') {
      const kin = others.filter(({ identity: { kind } }) => kind === 'stranger');
      const { address } = connection;
      const neighbours = kin.filter((other) => other.address === address);
      if (address !== undefined && neighbours.length >= strangersPerAddress) evict(neighbours, connection);
      else if (kin.length >= strangers) evict(busiest(kin), connection);
    } else if (identity.kind === 'user') {
      const kin = others.filter((other) => other.identity.kind === 'user');
      const own = kin.filter((other) => other.identity.kind === 'user' && other.identity.id === identity.id);
      if (own.length >= connectionsPerUser) throw new ConnectionRefused(3, 'too many connections of this user');
      if (kin.length >= users) throw new ConnectionRefused(3, 'too many connections of users');
      connection.spending.raise();
    }
    connection.follower.max = packet[identity.kind];
    connection.identity = identity;
    connection.isIdentified = true;
  }

  /** Whether one more topic filter is allowed; the caller tells by `countFilters` what came of it. */
  mayAddFilter(connection: Connection): boolean {
    const { strangerFilters, userFilters, allFilters } = this.#limits;
    if (connection.identity.kind === 'service') return true;
    const own = connection.identity.kind === 'user' ? userFilters : strangerFilters;
    return connection.filters < own && this.#filters < allFilters;
  }

  countFilters(connection: Connection, filters: number): void {
    if (connection.identity.kind === 'service' || connection.socket.destroyed) return;
    this.#filters += filters - connection.filters;
    connection.filters = filters;
  }

  /** Drops strangers that do nothing. @returns users whose token has ended: they are strangers from now on */
  sweep(): readonly Connection[] {
    const now = this.#now();
    const { idle, silent } = this.#limits;
    const ended: Connection[] = [];
    for (const connection of this.#all) {
      const { identity, isIdentified, filters, keepalive, lastRead, lastMoved, socket } = connection;
      if (!isIdentified || identity.kind === 'service') continue;
      if (identity.kind === 'user' && !identity.isValid()) {
        connection.identity = { kind: 'stranger' };
        ended.push(connection);
      }
      const isIdle = connection.identity.kind === 'stranger' && filters === 0 && now - lastRead > idle;
      // One with a keepalive is ended by it, after one and a half of its intervals.
      const isSilent = (keepalive === 0 || keepalive * 1500 > silent) && now - lastMoved > silent;
      if (isIdle || isSilent) socket.destroy();
    }
    this.#budgets.sweep();
    return ended;
  }
}

/** Connections of the address that has the most, the one that came first at the head. */
function busiest(connections: readonly Connection[]): readonly Connection[] {
  const groups = new Map<string | undefined, Connection[]>();
  for (const connection of connections)
    groups.set(connection.address, [...(groups.get(connection.address) ?? []), connection]);
  return [...groups.values()].reduce((most, group) => (group.length > most.length ? group : most), []);
}

/** Makes room among `group` for a newcomer. @throws ConnectionRefused where all of them are in use */
function evict(group: readonly Connection[], newcomer: Connection): void {
  const quiet = (connections: readonly Connection[]): Connection | undefined =>
    connections.toSorted((one, other) => one.lastRead - other.lastRead)[0];
  const isOwnGroup = group[0]?.address === newcomer.address;
  const victim = quiet(group.filter(({ filters }) => filters === 0)) ?? (isOwnGroup ? undefined : quiet(group));
  if (!victim) throw new ConnectionRefused(3, 'too many connections without a login');
  victim.socket.destroy();
}
