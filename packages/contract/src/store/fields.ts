import { z } from 'zod';
import { field } from '../http/field.js';

/** Where a field is given at all, an empty text clears it; used by PATCH, which tells absent from empty. */
export const emptyIsNull = <T>(schema: z.ZodType<T, string>) =>
  z.string().transform((value, ctx): T | null => {
    if (value === '') return null;
    const result = schema.safeParse(value);
    if (result.success) return result.data;
    for (const issue of result.error.issues) ctx.issues.push({ ...issue, input: value } as never);
    return z.NEVER;
  });

/** `""` counts as false, as it always did. */
export const emptyIsFalse = () => {
  const word = field.bool();
  return emptyIsNull(word)
    .transform((value): boolean => value ?? false)
    .meta({ type: 'boolean' });
};

export const MAX_LABEL = 2_000;
export const MAX_DESCRIPTION = 20_000;

export const entityParams = z.object({ entity_id: field.int() });

export const milliseconds = z.int().describe('Milliseconds since 1970, UTC');

/** Text that people read, in Unicode's composed form: keyboards and systems differ in how they send one and the same letter. */
export const composedText = (limits: { readonly max: number; readonly min?: number }) =>
  field
    .text(limits)
    .transform((value) => value.normalize('NFC'))
    .meta({ type: 'string', maxLength: limits.max, ...(limits.min !== undefined && { minLength: limits.min }) });
