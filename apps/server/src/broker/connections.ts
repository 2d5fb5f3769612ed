/**
 * The connections of the broker, and which ones are accepted when there are too many.
 *
 * ```
 * accepted --CONNECT, identity known--> stranger | user | service --close--> gone
 *     |                                     |  ^        |
 *     +--handshake deadline, or             |  +--------+ the token expired
 *        dropped at the door (door.ts)      +--idle, silent, or evicted--> closed
 * ```
 *
 * Services are never counted. If all places for strangers are taken, a new stranger replaces an inactive one: of the address
 * with the most connections, the one without a subscription that has been quiet for longest.
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
  /** The TCP connection, for MQTT as well as for WebSocket. */
  readonly socket: Socket;
  /** True for the platform's own processes on the Unix socket: strangers must not delay them. */
  readonly isOwn: boolean;
  /** Undefined for connections from this machine. */
  readonly address: string | undefined;
  readonly follower: PacketFollower;
  readonly spending: Spending;
  identity: Identity;
  client: Client | undefined;
  isIdentified: boolean;
  /** The keepalive of CONNECT in seconds; 0: none. */
  keepalive: number;
  filters: number;
  refusals: number;
  /** The times when the client last sent something, and when anything was last sent in either direction. */
  lastRead: number;
  lastMoved: number;
}

/** The network of an address; an IPv6 host usually owns a whole /64. Undefined for this machine, where it identifies no client. */
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

  /** Registers a new connection. It is removed when it closes, and dropped if it does not send CONNECT in time. */
  accept(socket: Socket, isOwn = false): Connection {
    const address = addressKey(socket.remoteAddress);
    const now = this.#now();
    const connection: Connection = {
      socket,
      isOwn,
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
    return connection;
  }

  /** Sets the stream that carries MQTT on a connection: the socket itself, or that of a WebSocket. */
  bind(stream: Duplex, connection: Connection): void {
    this.#byStream.set(stream, connection);
  }

  of(stream: Duplex): Connection | undefined {
    return this.#byStream.get(stream);
  }

  #where(test: (connection: Connection) => boolean): Connection[] {
    return [...this.#all].filter(test);
  }

  /**
   * Gives an identified connection its place.
   * @throws ConnectionRefused if there is no place
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

  /** Whether one more topic filter is allowed; the caller reports the result with `countFilters`. */
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

  /** Drops inactive strangers. @returns the users whose token has ended; they now count as strangers */
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
      // A connection with a keepalive is closed after one and a half of its intervals.
      const isSilent = (keepalive === 0 || keepalive * 1500 > silent) && now - lastMoved > silent;
      if (isIdle || isSilent) socket.destroy();
    }
    this.#budgets.sweep();
    return ended;
  }
}

/** The connections of the address that has the most, oldest first. */
export function busiest(connections: readonly Connection[]): readonly Connection[] {
  const groups = new Map<string | undefined, Connection[]>();
  for (const connection of connections) {
    const group = groups.get(connection.address);
    if (group) group.push(connection);
    else groups.set(connection.address, [connection]);
  }
  return [...groups.values()].reduce((most, group) => (group.length > most.length ? group : most), []);
}

/** Makes room in `group` for a new connection. @throws ConnectionRefused if all of them are in use */
function evict(group: readonly Connection[], newcomer: Connection): void {
  const quiet = (connections: readonly Connection[]): Connection | undefined =>
    connections.toSorted((one, other) => one.lastRead - other.lastRead)[0];
  const isOwnGroup = group[0]?.address === newcomer.address;
  const victim = quiet(group.filter(({ filters }) => filters === 0)) ?? (isOwnGroup ? undefined : quiet(group));
  if (!victim) throw new ConnectionRefused(3, 'too many connections without a login');
  victim.socket.destroy();
}
