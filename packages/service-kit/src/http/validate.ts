/** zod's issues in the 422 form that existing clients read. */
import { type FieldIssue, parseJson, type ValidationItem } from '@cl-server/contract';
import type { z } from 'zod';

export type Place = 'path' | 'query' | 'body';

/** Faults that one answer names: a body may have thousands. */
const MAX_FAULTS = 50;
/** Characters of a wrong value that the answer shows again. */
const MAX_SHOWN = 1_000;

/** A field may hold JSON as text; the path leads on into it. */
function unpacked(value: unknown): unknown {
  if (typeof value !== 'string') return value;
  try {
    return parseJson(value);
  } catch {
    return undefined;
  }
}

const at = (value: unknown, path: readonly PropertyKey[]): unknown =>
  path.reduce<unknown>((outer, key) => {
    const inner = unpacked(outer);
    return typeof inner === 'object' && inner !== null && Object.hasOwn(inner, key)
      ? (inner as Record<PropertyKey, unknown>)[key]
      : undefined;
  }, value);

/** The value that was sent, shortened if it is long: an answer must not be many times as large as its request. */
function shown(input: unknown): unknown {
  if (typeof input === 'string') return input.slice(0, MAX_SHOWN);
  if (typeof input !== 'object' || input === null) return input ?? null;
  const text = JSON.stringify(input);
  return text.length <= MAX_SHOWN ? input : text.slice(0, MAX_SHOWN);
}

function toItem(issue: z.core.$ZodIssue, place: Place, raw: unknown): ValidationItem {
  const input = at(raw, issue.path);
  const loc = [place, ...issue.path.map((key) => (typeof key === 'symbol' ? String(key) : key))];
  if (issue.code === 'custom' && issue.params?.type !== undefined) {
    const { type, ctx, secret } = issue.params as unknown as FieldIssue;
    return { type, loc, msg: issue.message, input: secret ? null : shown(input), ...(ctx && { ctx: { ...ctx } }) };
  }
  if (issue.code === 'invalid_type' && input === undefined)
    return { type: 'missing', loc, msg: 'Field required', input: null };
  if (issue.code === 'too_small' && issue.origin === 'string')
    return {
      type: 'string_too_short',
      loc,
      msg: `String should have at least ${issue.minimum} character${issue.minimum === 1 ? '' : 's'}`,
      input: shown(input),
      ctx: { min_length: issue.minimum },
    };
  if (issue.code === 'too_big' && issue.origin === 'string')
    return {
      type: 'string_too_long',
      loc,
      msg: `String should have at most ${issue.maximum} characters`,
      input: shown(input),
      ctx: { max_length: issue.maximum },
    };
  return { type: issue.code, loc, msg: issue.message, input: shown(input) };
}

/** Checks one part of a request, adding what is wrong to `faults`. Undefined where it failed. */
export function validatePart<S extends z.ZodType>(
  schema: S | undefined,
  raw: unknown,
  place: Place,
  faults: ValidationItem[],
): z.output<S> | undefined {
  if (!schema) return undefined;
  const result = schema.safeParse(raw);
  if (result.success) return result.data;
  for (const issue of result.error.issues.slice(0, Math.max(0, MAX_FAULTS - faults.length)))
    faults.push(toItem(issue, place, raw));
  return undefined;
}
