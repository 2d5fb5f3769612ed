import { printable, printableJson } from '@cl-server/contract/printable';
import { fieldLines, isFields } from './fields.js';
import { StatusLine } from './status-line.js';
import { type Colours, coloursFor, type Format, type Streams } from './terminal.js';

export interface Column<T> {
  readonly title: string;
  readonly value: (item: T) => unknown;
}

/** How a person sees an object, and the one word of it that `--quiet` prints. */
export interface View<T> {
  readonly columns: readonly Column<T>[];
  readonly id: (item: T) => unknown;
  /** The message for a person if there is nothing to show; default "Nothing found". */
  readonly whenEmpty?: () => Promise<string | null | undefined>;
}

const cell = (value: unknown): string => {
  if (value === null || value === undefined) return '';
  return printable(typeof value === 'object' ? JSON.stringify(value) : String(value));
};

/** Shortens a long table cell so that the table stays readable; JSON output has it complete. */
const shortCell = (value: unknown): string => {
  const text = cell(value).replaceAll('\n', ' ');
  return text.length > MAX_CELL_LENGTH ? `${text.slice(0, MAX_CELL_LENGTH - 1)}…` : text;
};
const MAX_CELL_LENGTH = 60;

/** Prints data to stdout and messages to stderr, each in the requested format. */
export class Output {
  readonly format: Format;
  readonly colour: Colours;
  /** Whether a person watches stderr, so that progress bars make sense. */
  readonly interactive: boolean;
  /** The line that shows progress, if a person watches. Everything else is printed above it. */
  readonly status: StatusLine | undefined;
  readonly #streams: Streams;
  readonly #messageColour: Colours;

  constructor(streams: Streams, format: Format, env: Readonly<Record<string, string | undefined>>) {
    this.#streams = streams;
    this.format = format;
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

  /** Prints bytes as data and waits for a slow reader. */
  async bytes(chunk: Uint8Array): Promise<void> {
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
        fieldLines(item, this.colour.bold)
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
    else if (all.length === 0) this.note(printable((await view.whenEmpty?.()) ?? 'Nothing found'));
    else await this.#table(all, view);
  }

  async #table<T>(items: readonly T[], { columns }: View<T>): Promise<void> {
    const { default: Table } = await import('cli-table3');
    const table = new Table({
      head: columns.map(({ title }) => this.colour.bold(title)),
      style: { head: [], border: [] },
      chars: PLAIN,
    });
    for (const item of items) table.push(columns.map(({ value }) => shortCell(value(item))));
    // eslint-disable-next-line regexp/no-super-linear-move -- the table is as wide as a terminal
    this.#raw(`${table.toString().replace(/ +$/gm, '')}\n`);
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

const PLAIN = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: ' ',
};
