/** zod's issues in the 422 form that existing clients read. */
import type { FieldIssue, ValidationItem } from '@cl-server/contract';
import type { z } from 'zod';

export type Place = 'path' | 'query' | 'body';

/** A field may hold JSON as text; the path leads on into it. */
function unpacked(value: unknown): unknown {
  if (typeof value !== 'string') return value;
  try {
    return JSON.parse(value);
  } catch {
    return undefined;
  }
}

const at = (value: unknown, path: readonly PropertyKey[]): unknown =>
  path.reduce<unknown>((outer, key) => {
    const inner = unpacked(outer);
    return typeof inner === 'object' && inner !== null ? (inner as Record<PropertyKey, unknown>)[key] : undefined;
  }, value);

function toItem(issue: z.core.$ZodIssue, place: Place, raw: unknown): ValidationItem {
  const input = at(raw, issue.path);
  const loc = [place, ...issue.path.map((key) => (typeof key === 'symbol' ? String(key) : key))];
  if (issue.code === 'custom' && issue.params?.type !== undefined) {
    const { type, ctx, secret } = issue.params as unknown as FieldIssue;
    return { type, loc, msg: issue.message, input: secret ? null : (input ?? null), ...(ctx && { ctx: { ...ctx } }) };
  }
  if (issue.code === 'invalid_type' && input === undefined)
    return { type: 'missing', loc, msg: 'Field required', input: null };
  if (issue.code === 'too_small' && issue.origin === 'string')
    return {
      type: 'string_too_short',
      loc,
      msg: `String should have at least ${issue.minimum} character${issue.minimum === 1 ? '' : 's'}`,
      input: input ?? null,
      ctx: { min_length: issue.minimum },
    };
  if (issue.code === 'too_big' && issue.origin === 'string')
    return {
      type: 'string_too_long',
      loc,
      msg: `String should have at most ${issue.maximum} characters`,
      input: input ?? null,
      ctx: { max_length: issue.maximum },
    };
  return { type: issue.code, loc, msg: issue.message, input: input ?? null };
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
  for (const issue of result.error.issues) faults.push(toItem(issue, place, raw));
  return undefined;
}
