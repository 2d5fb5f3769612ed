/**
 * Opaque positions in lists that are read page by page. A cursor holds one whole number and the letter of its list, so
 * that the cursor of another list is refused.
 */
export interface CursorCodec {
  encode(position: number): string;
  /** Undefined for a text that this codec did not make. */
  decode(cursor: string): number | undefined;
}

/** @param letter one letter, different for each list */
export const cursorCodec = (letter: string): CursorCodec => ({
  encode: (position) => Buffer.from(`${letter}${position}`).toString('base64url'),
  decode(cursor) {
    const text = Buffer.from(cursor, 'base64url').toString('latin1');
    const digits = text.slice(1);
    if (!text.startsWith(letter) || !/^\d{1,16}$/.test(digits)) return undefined;
    const position = Number(digits);
    return Number.isSafeInteger(position) ? position : undefined;
  },
});
