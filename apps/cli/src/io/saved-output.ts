import { promises as fsp } from 'node:fs';
import path from 'node:path';
import { Writable } from 'node:stream';

/** Replaces standard output while a command saves what it prints. */
export class SavedOutput {
  readonly stream: Writable;
  readonly #parts: Buffer[] = [];

  constructor() {
    this.stream = new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        this.#parts.push(Buffer.from(chunk));
        done();
      },
    });
  }

  async save(file: string): Promise<void> {
    await fsp.mkdir(path.dirname(file), { recursive: true });
    await fsp.writeFile(file, Buffer.concat(this.#parts));
  }
}
