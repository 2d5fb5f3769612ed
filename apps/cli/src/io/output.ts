import { printable, printableJson } from '@cl-server/contract/printable';
import { fieldLines, isFields } from './fields.js';
import { type Colours, coloursFor, type Format, type Streams } from './terminal.js';

export interface Column<T> {
  readonly title: string;
  readonly value: (item: T) => unknown;
}

/** How a person sees a thing, and the one word of it that `--quiet` prints. */
export interface View<T> {
  readonly columns: readonly Column<T>[];
  readonly id: (item: T) => unknown;
  /** What a person is told where there is nothing to show; default "Nothing found". */
  readonly whenEmpty?: () => Promise<string | null | undefined>;
}

const cell = (value: unknown): string => {
  if (value === null || value === undefined) return '';
  return printable(typeof value === 'object' ? JSON.stringify(value) : String(value));
};

/** A table stays readable: a long cell is cut, JSON has it whole. */
const shortCell = (value: unknown): string => {
  const text = cell(value).replaceAll('\n', ' ');
  return text.length > LONGEST_CELL ? `${text.slice(0, LONGEST_CELL - 1)}…` : text;
};
const LONGEST_CELL = 60;

/** Data goes to stdout, talk to stderr, each in the form that was asked for. */
export class Output {
  readonly format: Format;
  readonly colour: Colours;
  /** Whether a person watches stderr: progress bars make sense. */
  readonly lively: boolean;
  readonly #streams: Streams;
  readonly #talkColour: Colours;

  constructor(streams: Streams, format: Format, env: Readonly<Record<string, string | undefined>>) {
    this.#streams = streams;
    this.format = format;
    this.colour = coloursFor(streams.stdout, env);
    this.#talkColour = coloursFor(streams.stderr, env);
    this.lively = format === 'human' && streams.stderr.isTTY === true && env.TERM !== 'dumb' && !env.CI;
  }

  get stderr(): NodeJS.WritableStream {
    return this.#streams.stderr;
  }

  /** Text of the data; its control characters are made visible. */
  write(text: string): void {
    this.#raw(printable(text));
  }

  /** One value as JSON in one line. */
  jsonLine(value: unknown): void {
    this.#raw(`${printableJson(value)}\n`);
  }

  /** Text that is printable already, with colours. */
  #raw(text: string): void {
    this.#streams.stdout.write(text);
  }

  /** Bytes of the data, waiting for a slow reader. */
  async bytes(chunk: Uint8Array): Promise<void> {
    if (!this.#streams.stdout.write(chunk))
      await new Promise<void>((resolve) => this.#streams.stdout.once('drain', resolve));
  }

  #json(value: unknown): void {
    this.#raw(`${printableJson(value, this.format === 'ndjson' ? undefined : 2)}\n`);
  }

  /** One thing: JSON, its id, or a list of its fields. */
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

  /** Several things: a JSON array, a line each, or a table. */
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

  /** Talk for a person. */
  note(text: string): void {
    if (this.format === 'human') this.#streams.stderr.write(`${printable(text)}\n`);
  }

  success(text: string): void {
    if (this.format === 'human') this.#streams.stderr.write(`${this.#talkColour.green('✓')} ${printable(text)}\n`);
  }

  /** Something that went wrong without ending the program; heard in every format but `--quiet`. */
  warn(text: string): void {
    if (this.format !== 'quiet') this.#streams.stderr.write(`${this.#talkColour.yellow('!')} ${printable(text)}\n`);
  }

  /** The reason why the program ends; heard in every format. */
  error(text: string): void {
    this.#streams.stderr.write(`${this.#talkColour.red('error:')} ${printable(text)}\n`);
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
