/** What strangers and users may cost the broker. Services are trusted: only the size of their packets is limited. */
export interface BrokerLimits {
  /** Milliseconds from a new connection to its CONNECT packet. */
  readonly handshake: number;
  /** Connections that have not sent CONNECT yet; beyond that the oldest of the busiest address is dropped. */
  readonly pending: number;
  /** Connections without a login, in all. */
  readonly strangers: number;
  /** Connections without a login from one address of the network; loopback addresses share `strangers` only. */
  readonly strangersPerAddress: number;
  /** Connections with a token, in all and of one user. */
  readonly users: number;
  readonly connectionsPerUser: number;
  /** Milliseconds after which a stranger without a subscription is dropped. */
  readonly idle: number;
  /** Milliseconds without a packet in either direction that a connection with keepalive 0, or a very long one, may live. */
  readonly silent: number;
  /** Milliseconds between two looks at idle connections and at tokens that ended. */
  readonly sweep: number;
  /** Topic filters of one stranger, of one user, and of all of them together. */
  readonly strangerFilters: number;
  readonly userFilters: number;
  readonly allFilters: number;
  /** Characters and levels of one topic filter. */
  readonly filterLength: number;
  readonly filterLevels: number;
  /** Refused filters after which a connection is dropped. */
  readonly refusals: number;
  /** Bytes of one packet: of a connection that has not said who it is, of a stranger, a user, a service. */
  readonly packet: {
    readonly unknown: number;
    readonly stranger: number;
    readonly user: number;
    readonly service: number;
  };
  /** Bytes of one WebSocket message. */
  readonly webSocketMessage: number;
  /**
   * Unread bytes after which a live message drops its subscriber. All stay below the streams' high-water mark: beyond
   * that aedes makes every other subscriber wait for the slow one.
   */
  readonly backlog: { readonly stranger: number; readonly user: number; readonly service: number };
  /** Unread bytes with which nothing more is read from a connection. */
  readonly readingStops: number;
}

export const BROKER_LIMITS: BrokerLimits = {
  handshake: 5_000,
  pending: 128,
  strangers: 256,
  strangersPerAddress: 64,
  users: 512,
  connectionsPerUser: 32,
  idle: 60_000,
  silent: 600_000,
  sweep: 5_000,
  strangerFilters: 200,
  userFilters: 1_000,
  allFilters: 20_000,
  filterLength: 256,
  filterLevels: 16,
  refusals: 1_000,
  packet: { unknown: 16_384, stranger: 16_384, user: 65_536, service: 4_194_304 },
  webSocketMessage: 262_144,
  backlog: { stranger: 131_072, user: 524_288, service: 524_288 },
  readingStops: 65_536,
};

export const HIGH_WATER_MARK = 1_048_576;
