/** Lets the bytes of an upload whose length is unknown through only as they find room in the budget of its owner. */
import { Transform, type TransformCallback } from 'node:stream';
import { HttpError } from '@cl-server/service-kit';

/** Counts the upload with so many bytes. @throws HttpError 413 where there is no room for them */
export type Claim = (bytes: number) => Promise<void>;

/** Bytes that are counted ahead, so that not every chunk is a transaction. */
const AHEAD = 1 << 20;

export class Admission extends Transform {
  readonly #claim: Claim;
  #arrived: number;
  #claimed: number;

  /** @param arrived bytes of earlier requests, which are counted already */
  constructor(claim: Claim, arrived: number) {
    super();
    this.#claim = claim;
    this.#arrived = arrived;
    this.#claimed = arrived;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.#admit(chunk.length).then(() => done(null, chunk), done);
  }

  async #admit(bytes: number): Promise<void> {
    this.#arrived += bytes;
    if (this.#arrived <= this.#claimed) return;
    for (const wanted of [this.#arrived + AHEAD, this.#arrived])
      try {
        await this.#claim(wanted);
        this.#claimed = wanted;
        return;
      } catch (error) {
        // Near the limit the room may do for these bytes alone.
        if (!(error instanceof HttpError) || error.status !== 413 || wanted === this.#arrived) throw error;
      }
  }
}
