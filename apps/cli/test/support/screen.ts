import { stripVTControlCharacters } from 'node:util';

/**
 * Returns the lines that a terminal shows after this output. It knows what progress needs: the carriage return, the line feed,
 * erasing to the end of the line, and wrapping at the last column.
 */
export function screenOf(text: string, columns: number): string[] {
  const lines: string[][] = [[]];
  let [row, column] = [0, 0];
  const line = (): string[] => {
    lines[row] ??= [];
    return lines[row] as string[];
  };
  const put = (character: string): void => {
    if (column === columns) [row, column] = [row + 1, 0];
    line()[column] = character;
    column += 1;
  };
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the escape sequences are what is read here
  for (const [token] of text.matchAll(/\u001b\[[0-9;?]*[A-Za-z]|[\s\S]/gu)) {
    if (token === '\r') column = 0;
    else if (token === '\n') [row, column] = [row + 1, 0];
    else if (token === '\u001b[K') line().length = Math.min(line().length, column);
    else if (stripVTControlCharacters(token) !== '') put(token);
  }
  return lines
    .map((cells) =>
      Array.from(cells, (cell) => cell ?? ' ')
        .join('')
        .trimEnd(),
    )
    .filter(Boolean);
}
