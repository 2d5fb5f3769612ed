/**
 * Stands between a connection and the broker's parser. The parser reads everything that is available and collects complete
 * packets, up to the 256 MB that the protocol allows. This module refuses oversized packets before they are buffered, and lets
 * packets reach the parser only as fast as the budget of the connection allows.
 *
 * `PacketFollower` follows only the fixed headers of the byte stream (MQTT 3.1.1 §2.2):
 *
 * ```
 * type --1 byte--> length (1 to 4 bytes, 7 bits each, little end first) --last byte--> body --length bytes--> type
 * ```
 */
import type { Duplex } from 'node:stream';
import type { Spending } from './budget.js';

const CONNECT = 1;
const PUBACK = 4;
const SUBSCRIBE = 8;
const UNSUBSCRIBE = 10;
const PINGREQ = 12;

/** The cost of a packet, in units of roughly a microsecond; a filter of 20 bytes costs 160 with its share of the packet. */
function unitsOf(type: number, length: number): number {
  // The login was paid when the newcomer was let in. A last will of some kilobytes is only copied.
  if (type === CONNECT) return Math.ceil(length / 256);
  if (type === SUBSCRIBE || type === UNSUBSCRIBE) return 64 + 8 * length;
  if (type === PUBACK) return 12;
  return type === PINGREQ ? 32 : 64 + length;
}

export class PacketFollower {
  #expects: 'type' | 'length' | 'body' = 'type';
  #type = 0;
  #length = 0;
  #shift = 0;
  #bodyLeft = 0;

  /** @param max the size of a packet after its fixed header, in bytes; may be changed at any time */
  constructor(public max: number) {}

  /** Follows one chunk. @returns the cost of its packets; undefined as soon as a packet announces more than `max` bytes */
  follow(chunk: Uint8Array): number | undefined {
    let units = 0;
    let at = 0;
    while (at < chunk.length) {
      if (this.#expects === 'body') {
        const step = Math.min(this.#bodyLeft, chunk.length - at);
        at += step;
        this.#bodyLeft -= step;
        if (this.#bodyLeft === 0) this.#expects = 'type';
        continue;
      }
      const byte = chunk[at++] ?? 0;
      if (this.#expects === 'type') {
        this.#expects = 'length';
        this.#type = byte >> 4;
        this.#length = 0;
        this.#shift = 0;
        continue;
      }
      this.#length += (byte & 0x7f) * 2 ** this.#shift;
      this.#shift += 7;
      if (this.#length > this.max || this.#shift > 28) return undefined;
      if (byte & 0x80) continue;
      units += unitsOf(this.#type, this.#length);
      this.#bodyLeft = this.#length;
      this.#expects = this.#length > 0 ? 'body' : 'type';
    }
    return units;
  }
}

export interface ReaderOptions {
  readonly follower: PacketFollower;
  readonly spending: Spending;
  /** Whether only the size of packets is limited, as for services. Called at each read. */
  readonly isTrusted: () => boolean;
  /** Unread bytes at which reading stops. */
  readonly readingStops: number;
  /** Whether this is a stranger whose client has left: what it sent is not worth a turn, and its place is needed. */
  readonly isLost: () => boolean;
  /** Called when bytes arrive. */
  readonly onBytes: () => void;
}

/** Milliseconds until a connection that does not read is checked again. */
const RECHECK_MS = 100;

/**
 * Applies the limits between a connection and its reader; a packet that is too large ends the connection. It wraps only `read`,
 * because a stream in between would add a hop to every message.
 */
export function limitReading(stream: Duplex, options: ReaderOptions): void {
  const { follower, spending, isTrusted, readingStops, isLost, onBytes } = options;
  const read = stream.read.bind(stream);
  let goesOn = false;
  const goOn = (): void => {
    goesOn = false;
    if (!stream.destroyed) stream.emit('readable');
  };
  const goOnIn = (milliseconds: number): void => {
    if (goesOn) return;
    goesOn = true;
    if (milliseconds === 0) setImmediate(goOn);
    else setTimeout(goOn, milliseconds).unref();
  };
  /** The stream itself reads 0 bytes to be filled again; the parser reads everything and gets a portion. */
  stream.read = (size?: number) => {
    if (size === 0) return read(0);
    const trusted = isTrusted();
    if (!trusted) {
      const wait = stream.writableLength > readingStops ? RECHECK_MS : spending.wait;
      if (wait > 0 && isLost()) {
        stream.destroy();
        return null;
      }
      if (wait > 0) {
        goOnIn(wait);
        return null;
      }
    }
    const { portion } = spending;
    const chunk: unknown = !trusted && stream.readableLength > portion ? read(portion) : read(size);
    if (!(chunk instanceof Uint8Array)) return chunk;
    const units = follower.follow(chunk);
    if (units === undefined) {
      stream.destroy(new Error(`packet larger than ${follower.max} bytes`));
      return null;
    }
    onBytes();
    if (!trusted) {
      spending.spend(units);
      if (stream.readableLength > 0) goOnIn(0);
    }
    return chunk;
  };
}
