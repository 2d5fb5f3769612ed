/**
 * The first step of a search: vectors as the signs of their numbers, compared by the number of bits that differ. For
 * vectors of length 1 that number estimates the angle (Charikar, 2002: similarity estimation from rounding); the exact
 * cosine of the nearest few then decides.
 */

import { setImmediate as nextTurn } from 'node:timers/promises';

/** One bit for each number, in words of 32 bits. Zeros pad the dimension to a multiple of 32. */
export function signBits(vector: Float32Array): Uint32Array {
  const words = new Uint32Array(Math.ceil(vector.length / 32));
  for (const [index, value] of vector.entries())
    if (value > 0) words[index >>> 5] = (words[index >>> 5] as number) | (1 << (index & 31));
  return words;
}

/** The stored form: little-endian words. */
export function bitsToBuffer(words: Uint32Array): Buffer {
  const buffer = Buffer.alloc(words.length * 4);
  for (const [index, word] of words.entries()) buffer.writeUInt32LE(word, index * 4);
  return buffer;
}

function ones(word: number): number {
  let x = word - ((word >>> 1) & 0x55555555);
  x = (x & 0x33333333) + ((x >>> 2) & 0x33333333);
  return Math.imul((x + (x >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}

const FIRST_CAPACITY = 1_024;
/** Codes compared between two turns of the event loop: about 10 ms. */
const SLICE = 150_000;

/** Codes of one model, growing at the end. Positions are given by the order of `add`. */
export class CodeTable {
  readonly #words: number;
  #codes: Uint32Array;
  #ids: Float64Array;
  #entities: Float64Array;
  #size = 0;

  constructor(dimension: number) {
    this.#words = Math.ceil(dimension / 32);
    this.#codes = new Uint32Array(this.#words * FIRST_CAPACITY);
    this.#ids = new Float64Array(FIRST_CAPACITY);
    this.#entities = new Float64Array(FIRST_CAPACITY);
  }

  get size(): number {
    return this.#size;
  }

  /** Ignores codes of other lengths: they belong to another model. */
  add(id: number, entity: number, bits: Uint8Array): void {
    if (bits.length !== this.#words * 4) return;
    if (this.#size === this.#ids.length) this.#grow();
    const view = new DataView(bits.buffer, bits.byteOffset, bits.byteLength);
    for (let word = 0; word < this.#words; word++)
      this.#codes[this.#size * this.#words + word] = view.getUint32(word * 4, true);
    this.#ids[this.#size] = id;
    this.#entities[this.#size] = entity;
    this.#size++;
  }

  #grow(): void {
    const capacity = this.#ids.length * 2;
    const grown = <T extends Uint32Array | Float64Array>(from: T, to: T): T => {
      to.set(from);
      return to;
    };
    this.#codes = grown(this.#codes, new Uint32Array(capacity * this.#words));
    this.#ids = grown(this.#ids, new Float64Array(capacity));
    this.#entities = grown(this.#entities, new Float64Array(capacity));
  }

  /**
   * Ids of the `count` nearest codes or some more (all that differ in as many bits as the last), nearest first.
   * @param allowed entities that may be found; default: all
   */
  async nearest(query: Uint32Array, count: number, allowed?: ReadonlySet<number>): Promise<number[]> {
    const size = this.#size;
    const beyond = this.#words * 32 + 1;
    const distances = new Uint16Array(size);
    const found = new Uint32Array(beyond + 1);
    for (let from = 0; from < size; from += SLICE) {
      if (from > 0) await nextTurn();
      this.#compare(query, from, Math.min(size, from + SLICE), distances, found, allowed);
    }
    let cut = 0;
    for (let sum = 0; cut < beyond && sum < count; cut++) sum += found[cut] as number;
    const near: [number, number][] = [];
    for (let at = 0; at < size; at++)
      if ((distances[at] as number) < cut) near.push([distances[at] as number, this.#ids[at] as number]);
    return near.sort((a, b) => a[0] - b[0]).map(([, id]) => id);
  }

  #compare(
    query: Uint32Array,
    from: number,
    to: number,
    distances: Uint16Array,
    found: Uint32Array,
    allowed: ReadonlySet<number> | undefined,
  ): void {
    const words = this.#words;
    const codes = this.#codes;
    for (let at = from, code = from * words; at < to; at++, code += words) {
      let distance = words * 32 + 1;
      if (!allowed || allowed.has(this.#entities[at] as number)) {
        distance = 0;
        for (let word = 0; word < words; word++)
          distance += ones((codes[code + word] as number) ^ (query[word] as number));
      }
      distances[at] = distance;
      found[distance] = (found[distance] as number) + 1;
    }
  }
}
