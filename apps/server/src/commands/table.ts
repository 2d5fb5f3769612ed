import { printable } from '@cl-server/contract/printable';
import Table from 'cli-table3';

/** No line between two rows. */
const CHARS = { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' };

/** A plain table without colours of its own, so that it can also be piped. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const made = new Table({ head: [...head], chars: CHARS, style: { head: [], border: [] } });
  for (const row of rows) made.push(row.map(printable));
  return `${made.toString()}\n`;
}
