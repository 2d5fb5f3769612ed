/** Limits on the depth and size of JSON from outside, checked in one pass before the text is parsed. */

/** Maximum depth of nested lists and objects. */
export const MAX_JSON_DEPTH = 32;
/** Maximum number of values, counted roughly: every comma and every opening bracket begins one. */
export const MAX_JSON_VALUES = 50_000;

const QUOTE = 34;
const COMMA = 44;
const BACKSLASH = 92;
const OPEN_LIST = 91;
const CLOSE_LIST = 93;
const OPEN_OBJECT = 123;
const CLOSE_OBJECT = 125;

/** Describes which limit a JSON text exceeds; undefined if it exceeds none. The syntax is not checked. */
export function jsonFault(text: string): string | undefined {
  let depth = 0;
  let values = 1;
  let quoted = false;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (quoted) {
      if (code === BACKSLASH) at++;
      else if (code === QUOTE) quoted = false;
    } else if (code === QUOTE) quoted = true;
    else if (code === COMMA) values++;
    else if (code === OPEN_LIST || code === OPEN_OBJECT) {
      values++;
      if (++depth > MAX_JSON_DEPTH) return `JSON must not be nested more than ${MAX_JSON_DEPTH} levels deep`;
    } else if (code === CLOSE_LIST || code === CLOSE_OBJECT) depth--;
    if (values > MAX_JSON_VALUES) return `JSON must not have more than ${MAX_JSON_VALUES} values`;
  }
  return undefined;
}

/** A key that would change the object's prototype instead of adding a property. */
export const isUnsafeKey = (key: string): boolean => key === '__proto__';

/**
 * Parses JSON from outside.
 * @throws Error with a message that clients may see
 */
export function parseJson(text: string): unknown {
  const fault = jsonFault(text);
  if (fault !== undefined) throw new Error(fault);
  let unsafe = false;
  let value: unknown;
  try {
    // The reviver costs time, so it runs only if such a key is possible; its letters may also be written as escapes.
    value = /__proto__|\\u/.test(text)
      ? JSON.parse(text, (key, inner: unknown) => {
          unsafe ||= isUnsafeKey(key);
          return inner;
        })
      : JSON.parse(text);
  } catch {
    throw new Error('Input should be valid JSON');
  }
  if (unsafe) throw new Error('JSON must not have a key __proto__');
  return value;
}
