/**
 * The last line of a terminal while a command works: it shows progress and is replaced in place.
 *
 * Everything that is printed meanwhile goes through `around`, which erases the line before and draws it again after. Progress
 * and messages can therefore never overwrite each other.
 */
import { cutEnd } from './text-width.js';

/** Drawing more often than this only costs time. */
const REDRAW_MS = 125;

const ERASE = '\r\u001b[K';

export class StatusLine {
  readonly #stream: NodeJS.WritableStream & { readonly columns?: number };
  #render: (() => string) | undefined;
  #drawnAt = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(stream: NodeJS.WritableStream & { readonly columns?: number }) {
    this.#stream = stream;
  }

  /** Shows a line until `clear`. @param render called whenever the line is drawn; its text must be safe to print */
  show(render: () => string): void {
    this.#render = render;
    const wait = this.#drawnAt + REDRAW_MS - performance.now();
    if (wait <= 0) this.#draw();
    else this.#timer ??= setTimeout(() => this.#draw(), wait).unref();
  }

  clear(): void {
    if (!this.#render) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#render = undefined;
    this.#drawnAt = 0;
    this.#stream.write(ERASE);
  }

  /** Prints whole lines above the status line. */
  around(print: () => void): void {
    if (this.#render) this.#stream.write(ERASE);
    print();
    this.#draw();
  }

  #draw(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (!this.#render) return;
    // A line as wide as the terminal would move the cursor to the next one.
    const text = cutEnd(this.#render().replaceAll('\n', ' '), (this.#stream.columns || 80) - 1);
    this.#stream.write(`\r${text}\u001b[K`);
    this.#drawnAt = performance.now();
  }
}
