/** Fields that several endpoints of the store share. */
import { z } from 'zod';
import { field } from '../http/field.js';

/** An empty text clears the field. PATCH uses it, because it distinguishes an absent field from an empty one. */
export const emptyIsNull = <T>(schema: z.ZodType<T, string>) =>
  z.string().transform((value, ctx): T | null => {
    if (value === '') return null;
    const result = schema.safeParse(value);
    if (result.success) return result.data;
    for (const issue of result.error.issues) ctx.issues.push({ ...issue, input: value } as never);
    return z.NEVER;
  });

/** An empty text counts as false, which existing clients rely on. */
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

/**
 * Text for people in Unicode's composed form (NFC), because keyboards and systems encode the same letter differently.
 */
export const composedText = (limits: { readonly max: number; readonly min?: number }) =>
  field
    .text(limits)
    .transform((value) => value.normalize('NFC'))
    .meta({ type: 'string', maxLength: limits.max, ...(limits.min !== undefined && { minLength: limits.min }) });
