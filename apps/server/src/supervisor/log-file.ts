import fs from 'node:fs';

export interface LogFileOptions {
  /** The size at which a new file is started. */
  readonly maxBytes?: number;
  /** The number of older files: `<name>.1` is the newest of them. */
  readonly keep?: number;
}

/**
 * A log file that rotates by size. Writes are synchronous: nothing is lost if the process is killed, and the launcher has
 * nothing else to do. A full disk loses lines but never ends the platform.
 */
export class LogFile {
  readonly #file: string;
  readonly #maxBytes: number;
  readonly #keep: number;
  #handle: number;
  #size: number;

  constructor(file: string, { maxBytes = 10_000_000, keep = 3 }: LogFileOptions = {}) {
    this.#file = file;
    this.#maxBytes = maxBytes;
    this.#keep = keep;
    this.#handle = fs.openSync(file, 'a', 0o640);
    this.#size = fs.fstatSync(this.#handle).size;
  }

  /** Writes one line and adds the line end. */
  write(line: string): void {
    try {
      if (this.#size >= this.#maxBytes) this.#rotate();
      this.#size += fs.writeSync(this.#handle, `${line}\n`);
    } catch {
      // The disk is full or the folder is missing; the terminal still shows the line.
    }
  }

  #rotate(): void {
    for (let age = this.#keep; age >= 1; age--) {
      const from = age === 1 ? this.#file : `${this.#file}.${age - 1}`;
      if (fs.existsSync(from)) fs.renameSync(from, `${this.#file}.${age}`);
    }
    const next = fs.openSync(this.#file, 'a', 0o640);
    fs.closeSync(this.#handle);
    this.#handle = next;
    this.#size = 0;
  }

  close(): void {
    fs.closeSync(this.#handle);
  }
}
