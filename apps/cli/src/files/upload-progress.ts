import path from 'node:path';
import { oneLine } from '../io/one-line.js';
import type { Output } from '../io/output.js';
import { barText, bytesText, secondsText } from '../io/progress.js';

const BAR_WIDTH = 10;

/** The progress of all files of an upload together: files, bytes, rate, remaining time, and what happens now. */
export class UploadProgress {
  readonly #out: Output;
  readonly #files: number;
  readonly #bytes: number;
  readonly #began = performance.now();
  readonly #running = new Map<string, number>();
  #endedFiles = 0;
  #endedBytes = 0;
  #sent = 0;
  #doing = '';

  constructor(out: Output, files: number, bytes: number) {
    this.#out = out;
    this.#files = files;
    this.#bytes = bytes;
    this.#show();
  }

  /** The server may already have the file; this needs its digest. @param bytes how far the digest is */
  checking(file: string, bytes: number, size: number): void {
    const percent = size > 0 ? ` ${Math.floor((100 * bytes) / size)}%` : '';
    this.#doing = `checking ${path.basename(file)}${percent}`;
    this.#show();
  }

  sending(file: string, bytes: number): void {
    this.#sent += Math.max(0, bytes - (this.#running.get(file) ?? 0));
    this.#running.set(file, bytes);
    this.#doing = `sending ${path.basename(file)}`;
    this.#show();
  }

  end(file: string, size: number): void {
    this.#running.delete(file);
    this.#endedFiles += 1;
    this.#endedBytes += size;
    this.#show();
  }

  stop(): void {
    this.#out.status?.clear();
  }

  #show(): void {
    this.#out.status?.show(() => this.#text());
  }

  #text(): string {
    const seconds = Math.max(0.001, (performance.now() - this.#began) / 1000);
    let done = this.#endedBytes;
    for (const part of this.#running.values()) done += part;
    const left = done > 0 ? secondsText(((this.#bytes - done) * seconds) / done) : '';
    return [
      `${barText(done / Math.max(1, this.#bytes), BAR_WIDTH)} ${this.#endedFiles} of ${this.#files} files`,
      `${bytesText(done)}/${bytesText(this.#bytes)}`,
      this.#sent > 0 ? `${bytesText(this.#sent / seconds)}/s` : '',
      left,
      oneLine(this.#doing),
    ]
      .filter(Boolean)
      .join('  ');
  }
}
