/** The list of permissions as clients write it in a form field. */
import { z } from 'zod';
import { reject } from '../http/field.js';

const MAX_PERMISSIONS = 100;
const MAX_LENGTH = 100;
/** Characters that mark a list, not a name. Older clients would split a name at a comma. */
const NOT_IN_A_NAME = /[,"'`\\[\]{}\p{C}]/u;

type Parsed = { readonly list: readonly string[] } | { readonly fault: string };

const isList = (value: unknown): value is string[] =>
  Array.isArray(value) && value.every((item) => typeof item === 'string');

function split(text: string): Parsed {
  const trimmed = text.trim();
  let json: unknown;
  try {
    json = JSON.parse(trimmed);
  } catch {
    const bracketed = /^\[(.*)\]$/s.exec(trimmed)?.[1];
    return { list: (bracketed ?? trimmed).split(',') };
  }
  return isList(json) ? { list: json } : { fault: 'a JSON value must be an array of strings' };
}

function parse(text: string): Parsed {
  const parts = split(text);
  if ('fault' in parts) return parts;
  const list = [...new Set(parts.list.map((name) => name.trim()).filter((name) => name !== ''))];
  if (list.length > MAX_PERMISSIONS) return { fault: `at most ${MAX_PERMISSIONS} permissions` };
  const wrong = list.find((name) => name.length > MAX_LENGTH || NOT_IN_A_NAME.test(name));
  if (wrong === undefined) return { list };
  return {
    fault: `a permission has at most ${MAX_LENGTH} characters and no comma, quote, bracket or control character`,
  };
}

/**
 * Reads a list of permissions. `read, write`, `["read","write"]` and `[read, write]` are the same list: names are
 * trimmed, repeats are removed, the order stays; an empty text is the empty list. JSON that is not an array of strings
 * is refused, and so are invalid names.
 */
export const permissionList = () =>
  z
    .string()
    .transform((text, ctx): string[] => {
      const parsed = parse(text);
      if ('fault' in parsed)
        return reject(ctx, text, `Value error, permissions must be a list of names: ${parsed.fault}`, {
          type: 'value_error',
        });
      return [...parsed.list];
    })
    .meta({ type: 'string', description: 'Comma-separated names, or a JSON array of names' });
