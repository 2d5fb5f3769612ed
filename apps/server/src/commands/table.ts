import { printable } from '@cl-server/contract/printable';
import Table from 'cli-table3';

/** No line is drawn between two rows. */
const CHARS = { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' };

/** Formats a plain table without colours, so that it can be piped. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const made = new Table({ head: [...head], chars: CHARS, style: { head: [], border: [] } });
  for (const row of rows) made.push(row.map(printable));
  return `${made.toString()}\n`;
}
