import { printable, printableJson } from '@cl-server/contract/printable';
import { CliError, EXIT } from '../exit-codes.js';
import { fieldLines, isFields } from './fields.js';
import { StatusLine } from './status-line.js';
import { type Column, cell, tabbedLines, tableLines } from './table.js';
import { type Colours, coloursFor, type Format, type Streams } from './terminal.js';

/** How a person sees an object, and the one word of it that `--quiet` prints. */
export interface View<T> {
  readonly columns: readonly Column<T>[];
  readonly id: (item: T) => unknown;
  /** The message for a person if there is nothing to show; default "No results". */
  readonly whenEmpty?: () => Promise<string | null | undefined>;
}

/** The width of a terminal that does not tell its width. */
const DEFAULT_WIDTH = 80;

/** Prints data to stdout and messages to stderr, each in the requested format. */
export class Output {
  readonly format: Format;
  readonly colour: Colours;
  /** Whether a person watches stderr, so that progress bars make sense. */
  readonly interactive: boolean;
  /** The line that shows progress, if a person watches. Everything else is printed above it. */
  readonly status: StatusLine | undefined;
  /** The columns of the terminal that shows stdout; undefined if stdout is a file or a pipe. */
  readonly width: number | undefined;
  readonly #streams: Streams;
  readonly #messageColour: Colours;

  constructor(streams: Streams, format: Format, env: Readonly<Record<string, string | undefined>>) {
    this.#streams = streams;
    this.format = format;
    this.width = streams.stdout.isTTY ? streams.stdout.columns || DEFAULT_WIDTH : undefined;
    this.colour = coloursFor(streams.stdout, env);
    this.#messageColour = coloursFor(streams.stderr, env);
    this.interactive = format === 'human' && streams.stderr.isTTY === true && env.TERM !== 'dumb' && !env.CI;
    this.status = this.interactive ? new StatusLine(streams.stderr) : undefined;
  }

  /** Prints to a stream without touching the status line. */
  #print(stream: NodeJS.WritableStream, text: string): void {
    if (this.status) this.status.around(() => stream.write(text));
    else stream.write(text);
  }

  /** Prints text as data, with its control characters made visible. */
  write(text: string): void {
    this.#raw(printable(text));
  }

  /** Prints one value as one line of JSON. */
  jsonLine(value: unknown): void {
    this.#raw(`${printableJson(value)}\n`);
  }

  /** Prints text that is already safe to print and may contain colours. */
  #raw(text: string): void {
    this.#print(this.#streams.stdout, text);
  }

  /**
   * Prints bytes as data and waits for a slow reader.
   * @throws CliError on a terminal, because bytes of a file may contain escape sequences
   */
  async bytes(chunk: Uint8Array): Promise<void> {
    if (this.width !== undefined)
      throw new CliError('Binary data is not printed to a terminal', EXIT.usage, 'Redirect it: … > file');
    this.status?.clear();
    if (!this.#streams.stdout.write(chunk))
      await new Promise<void>((resolve) => this.#streams.stdout.once('drain', resolve));
  }

  #json(value: unknown): void {
    this.#raw(`${printableJson(value, this.format === 'ndjson' ? undefined : 2)}\n`);
  }

  /** Prints one object as JSON, as its id, or as a list of its fields. */
  async one<T>(item: T, id?: (item: T) => unknown): Promise<void> {
    if (this.format === 'quiet') {
      const word = id?.(item);
      if (word !== undefined && word !== null) this.write(`${cell(word)}\n`);
    } else if (this.format !== 'human') this.#json(item);
    else if (isFields(item))
      this.#raw(
        fieldLines(item, this.colour.bold, this.width)
          .map((line) => `${line}\n`)
          .join(''),
      );
    else this.write(`${cell(item)}\n`);
  }

  /** Prints several objects as a JSON array, one per line, or as a table. */
  async many<T>(items: readonly T[] | AsyncIterable<T>, view: View<T>): Promise<void> {
    if (this.format === 'ndjson' || this.format === 'quiet') {
      for await (const item of items) await this.one(item, view.id);
      return;
    }
    const all: T[] = [];
    for await (const item of items) all.push(item);
    if (this.format === 'json') this.#json(all);
    else if (all.length === 0) this.note(printable((await view.whenEmpty?.()) ?? 'No results'));
    else this.#table(all, view);
  }

  #table<T>(items: readonly T[], { columns }: View<T>): void {
    const lines =
      this.width === undefined ? tabbedLines(items, columns) : tableLines(items, columns, this.width, this.colour.bold);
    this.#raw(lines.map((line) => `${line}\n`).join(''));
  }

  /** Prints a message for a person. */
  note(text: string): void {
    if (this.format === 'human') this.#print(this.#streams.stderr, `${printable(text)}\n`);
  }

  success(text: string): void {
    if (this.format === 'human')
      this.#print(this.#streams.stderr, `${this.#messageColour.green('✓')} ${printable(text)}\n`);
  }

  /** Reports a problem that does not end the program, in every format except `--quiet`. */
  warn(text: string): void {
    if (this.format !== 'quiet')
      this.#print(this.#streams.stderr, `${this.#messageColour.yellow('!')} ${printable(text)}\n`);
  }

  /** Prints a line about what the program does, in every format. */
  trace(text: string): void {
    this.#print(this.#streams.stderr, `${printable(text)}\n`);
  }

  /** Reports the reason why the program ends, in every format. */
  error(text: string): void {
    this.#print(this.#streams.stderr, `${this.#messageColour.red('error:')} ${printable(text)}\n`);
  }
}
