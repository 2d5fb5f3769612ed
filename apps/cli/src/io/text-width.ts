/**
 * Cuts text to the width that it has on a terminal, where some characters take two columns. The library measures only: its
 * own cutting exceeds the limit if a text begins with characters such as `█`.
 */
import truncatedWidth from 'fast-string-truncated-width';

const ELLIPSIS = '…';

export const widthOf = (text: string): number => truncatedWidth(text).width;

/** The longest beginning of a series of characters that fits. */
function fitting(characters: Iterable<string>, width: number): string[] {
  const kept: string[] = [];
  let used = 0;
  for (const character of characters) {
    used += widthOf(character);
    if (used > width) break;
    kept.push(character);
  }
  return kept;
}

/** Returns the longest beginning of a text that fits. */
export const startOf = (text: string, width: number): string => fitting(text, width).join('');

/** Shortens a text that is too wide, at its end. */
export const cutEnd = (text: string, width: number): string =>
  widthOf(text) <= width ? text : fitting(text, width - 1).join('') + ELLIPSIS;

/** Shortens a text that is too wide, at its beginning: the end of a path tells more than its beginning. */
export const cutStart = (text: string, width: number): string =>
  widthOf(text) <= width
    ? text
    : ELLIPSIS +
      fitting([...text].reverse(), width - 1)
        .reverse()
        .join('');
