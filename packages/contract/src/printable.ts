/**
 * Makes foreign text safe to print on a terminal. A login name, a file name or a field of a job may contain escape
 * sequences that move the cursor, change the title or type for the user, or marks that show text in another order. This
 * file imports nothing.
 */

/** C0 except tab and line feed, DEL, C1, the direction marks, and the separators of lines and paragraphs. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

const hex = (character: string): string => character.charCodeAt(0).toString(16).padStart(4, '0');

function visible(character: string): string {
  const code = character.charCodeAt(0);
  if (code < 0x20) return String.fromCharCode(0x2400 + code); // ␛ for escape
  return code === 0x7f ? '␡' : `<U+${hex(character).toUpperCase()}>`;
}

/** Returns the text with its control characters made visible. */
export const printable = (text: string): string => text.replace(CONTROL, visible);

/** JSON in which control characters are escaped, including those that JSON itself would leave. */
export const printableJson = (value: unknown, indent?: number): string =>
  (JSON.stringify(value, null, indent) ?? 'null').replace(CONTROL, (character) => `\\u${hex(character)}`);
