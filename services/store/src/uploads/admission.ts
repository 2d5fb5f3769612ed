/** Passes on the bytes of an upload of unknown length only as far as the budget of its owner has room for them. */
import { Transform, type TransformCallback } from 'node:stream';
import { HttpError } from '@cl-server/service-kit';

/** Claims this number of bytes for the upload. @throws HttpError 413 if there is no room for them */
export type Claim = (bytes: number) => Promise<void>;

/** Bytes that are claimed in advance, so that not every piece needs a transaction. */
const ADVANCE_BYTES = 1 << 20;

export class Admission extends Transform {
  readonly #claim: Claim;
  #arrived: number;
  #claimed: number;

  /** @param arrived bytes of earlier requests, which are already claimed */
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
    for (const wanted of [this.#arrived + ADVANCE_BYTES, this.#arrived])
      try {
        await this.#claim(wanted);
        this.#claimed = wanted;
        return;
      } catch (error) {
        // Near the limit there may be room for these bytes without the advance.
        if (!(error instanceof HttpError) || error.status !== 413 || wanted === this.#arrived) throw error;
      }
  }
}
