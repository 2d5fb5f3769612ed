import { printable } from '@cl-server/contract/printable';

/** Makes a name safe to print within a line: a file name may contain line feeds and tabs, too. */
export const oneLine = (text: string): string => printable(text.replaceAll('\n', '␊').replaceAll('\t', '␉'));
