/**
 * Refuses oversized MQTT packets before they are buffered: the parser behind collects a packet whole, up to the 256 MB
 * that the protocol allows. Follows the fixed headers of the byte stream (MQTT 3.1.1 §2.2) and nothing else.
 *
 * ```
 * type --1 byte--> length (1 to 4 bytes, 7 bits each, little end first) --last byte--> body --length bytes--> type
 * ```
 */
import type { Duplex } from 'node:stream';

export class PacketLimit {
  #expects: 'type' | 'length' | 'body' = 'type';
  #length = 0;
  #shift = 0;
  #bodyLeft = 0;

  /** @param max bytes of a packet after its fixed header; may be changed at any time */
  constructor(public max: number) {}

  /** Follows one chunk. @returns false as soon as a packet announces more than `max` */
  accepts(chunk: Uint8Array): boolean {
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
        this.#length = 0;
        this.#shift = 0;
        continue;
      }
      this.#length += (byte & 0x7f) * 2 ** this.#shift;
      this.#shift += 7;
      if (this.#length > this.max || this.#shift > 28) return false;
      if (byte & 0x80) continue;
      this.#bodyLeft = this.#length;
      this.#expects = this.#length > 0 ? 'body' : 'type';
    }
    return true;
  }
}

/**
 * Puts a limit between a connection and whoever reads it; a packet beyond it ends the connection.
 * Wraps `read` alone, since a stream in between would cost every message a further hop.
 */
export function limitPackets(stream: Duplex, limit: PacketLimit): void {
  const read = stream.read.bind(stream);
  stream.read = (size?: number) => {
    const chunk: unknown = read(size);
    if (!(chunk instanceof Uint8Array) || limit.accepts(chunk)) return chunk;
    stream.destroy(new Error(`packet larger than ${limit.max} bytes`));
    return null;
  };
}
