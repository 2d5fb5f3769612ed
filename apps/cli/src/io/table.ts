/** Lays out tables: to the width of a terminal for people, and tab-separated without any cut for other programs. */
import { oneLine } from './one-line.js';
import { cutEnd, startOf, widthOf } from './text-width.js';

export interface Column<T> {
  readonly title: string;
  readonly value: (item: T) => unknown;
  /** The short form of the value that a terminal shows, for example the beginning of an id; default: the value. */
  readonly shown?: (item: T) => unknown;
  /** True if a part of the value is of no use, as with ids and dates: the other columns give way first. */
  readonly whole?: boolean;
  /** True if a long value continues on further lines instead of being cut. */
  readonly wraps?: boolean;
  /** True if a terminal shows the value below the row, with the title, because it is often long and mostly absent. */
  readonly below?: boolean;
}

const GAP = 2;
/** Columns that may be cut keep this width as long as the terminal allows it. */
const LEAST = 8;

/** Breaks a text into lines of a width: at spaces if possible, otherwise within a word. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const paragraph of text.split('\n')) {
    let rest = paragraph;
    while (widthOf(rest) > width) {
      const fits = Math.max(1, startOf(rest, width).length);
      const space = rest.lastIndexOf(' ', fits);
      const end = space > 0 ? space : fits;
      lines.push(rest.slice(0, end).trimEnd());
      rest = rest.slice(end).trimStart();
    }
    lines.push(rest);
  }
  return lines;
}

/** Converts a value to text on one line. */
export const cell = (value: unknown): string => {
  if (value === null || value === undefined) return '';
  const text = typeof value === 'object' ? JSON.stringify(value) : String(value);
  return oneLine(text);
};

/** The largest width of the cuttable columns with which all columns fit. */
function widest(natural: readonly number[], fixed: readonly boolean[], available: number): number {
  for (let cap = Math.max(...natural); cap > 1; cap--) {
    const sum = natural.reduce((total, width, i) => total + (fixed[i] ? width : Math.min(width, cap)), 0);
    if (sum <= available) return cap;
  }
  return 1;
}

/** The widths of columns so that a row fits. Columns that must stay whole are cut only if nothing else helps. */
export function columnWidths(natural: readonly number[], whole: readonly boolean[], width: number): number[] {
  const available = width - GAP * (natural.length - 1);
  const cap = widest(natural, whole, available);
  if (cap >= LEAST || whole.every((one) => !one))
    return natural.map((wide, i) => (whole[i] ? wide : Math.min(wide, cap)));
  const all = widest(
    natural,
    natural.map(() => false),
    available,
  );
  return natural.map((wide) => Math.min(wide, all));
}

/** The indent of what stands below a row. */
const INDENT = 2;

/** Returns the lines of a table that fits the terminal. Columns without any value are left out. */
export function tableLines<T>(
  items: readonly T[],
  columns: readonly Column<T>[],
  width: number,
  emphasis: (text: string) => string,
): string[] {
  const all = columns.map(({ title, value, shown = value, whole = false, wraps = false, below = false }) => ({
    title,
    whole,
    wraps,
    below,
    cells: items.map((item) => cell(shown(item))),
  }));
  const filled = all.filter(({ below, cells }) => !below && cells.some((text) => text !== ''));
  const notes = all.filter(({ below }) => below);
  const natural = filled.map(({ title, cells }) => Math.max(...[title, ...cells].map(widthOf)));
  const widths = columnWidths(
    natural,
    filled.map(({ whole }) => whole),
    width,
  );
  const line = (texts: readonly string[], style: (text: string) => string): string =>
    texts
      .map((text, i) => style(text) + ' '.repeat(Math.max(0, (widths[i] ?? 0) - widthOf(text)) + GAP))
      .join('')
      .trimEnd();
  const rowLines = (row: number): string[] => {
    const cells = filled.map(({ wraps, cells: texts }, i) => {
      const text = texts[row] ?? '';
      return wraps ? wrap(text, widths[i] ?? 1) : [cutEnd(text, widths[i] ?? 0)];
    });
    const height = Math.max(1, ...cells.map((lines) => lines.length));
    const below = notes.flatMap(({ title, cells: texts }) =>
      texts[row] ? wrap(`${title}: ${texts[row]}`, Math.max(1, width - INDENT)) : [],
    );
    return [
      ...Array.from({ length: height }, (_, at) =>
        line(
          cells.map((lines) => lines[at] ?? ''),
          (text) => text,
        ),
      ),
      ...below.map((text) => ' '.repeat(INDENT) + text),
    ];
  };
  const titles = filled.map(({ title }, i) => cutEnd(title, widths[i] ?? 0));
  return [line(titles, emphasis), ...items.flatMap((_, row) => rowLines(row))];
}

/** Returns one line for each item with its values, separated by tabs. */
export const tabbedLines = <T>(items: readonly T[], columns: readonly Column<T>[]): string[] =>
  items.map((item) => columns.map(({ value }) => cell(value(item))).join('\t'));
