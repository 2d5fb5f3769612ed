/** Limits for strangers and users of the broker. Services are trusted: only the size of their packets is limited. */
export interface BrokerLimits {
  /** Milliseconds from a new connection to its CONNECT packet. */
  readonly handshake: number;
  /**
   * Number of connections before CONNECT. Beyond `newcomers`, connections are dropped that had `patience` milliseconds to
   * send something; beyond `newcomersAtOnce`, younger ones are dropped as well.
   */
  readonly newcomers: number;
  readonly newcomersAtOnce: number;
  readonly patience: number;
  /** Number of those connections that have sent something and wait for their turn. */
  readonly newcomersWaiting: number;
  /** Number of connections without a login. */
  readonly strangers: number;
  /** Number of connections without a login from one address; loopback addresses share `strangers` only. */
  readonly strangersPerAddress: number;
  /** Number of connections with a token, in total and per user. */
  readonly users: number;
  readonly connectionsPerUser: number;
  /** Milliseconds after which a stranger without a subscription is dropped. */
  readonly idle: number;
  /** Milliseconds without a packet in either direction after which a connection with keepalive 0, or a very long one, is dropped. */
  readonly silent: number;
  /** Milliseconds between two checks of idle connections and expired tokens. */
  readonly sweep: number;
  /** Number of topic filters of one stranger, of one user, and of all of them together. */
  readonly strangerFilters: number;
  readonly userFilters: number;
  readonly allFilters: number;
  /** Length and depth of one topic filter. */
  readonly filterLength: number;
  readonly filterLevels: number;
  /** Number of refused filters after which a connection is dropped. */
  readonly refusals: number;
  /** Size in bytes of one packet: before CONNECT, of a stranger, a user, a service. */
  readonly packet: {
    readonly unknown: number;
    readonly stranger: number;
    readonly user: number;
    readonly service: number;
  };
  /** Size in bytes of one WebSocket message. */
  readonly webSocketMessage: number;
  /**
   * Unread bytes at which a live message drops its subscriber. All are below the high-water mark of the streams: beyond that
   * mark, aedes makes every other subscriber wait for the slow one.
   */
  readonly backlog: { readonly stranger: number; readonly user: number; readonly service: number };
  /** Unread bytes at which the broker stops reading from a connection. */
  readonly readingStops: number;
}

export const BROKER_LIMITS: BrokerLimits = {
  handshake: 5_000,
  newcomers: 128,
  newcomersAtOnce: 1_024,
  patience: 500,
  newcomersWaiting: 512,
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
