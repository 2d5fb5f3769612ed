/**
 * Fields of paths, queries and forms, which always arrive as text. Each builder makes a schema from that text to a
 * value, with the error types and messages that existing clients know, and declares the real type to OpenAPI through
 * `meta`.
 */
import { z } from 'zod';
import { parseJson } from './json-bounds.js';

/** Details of a faulty field beside its message; they become part of the 422 body. */
export interface FieldIssue {
  readonly type: string;
  readonly ctx?: Readonly<Record<string, unknown>>;
  /** The value must not be echoed, not even to its sender, because the response may be logged on its way. */
  readonly secret?: boolean;
}

interface IssueSink {
  issues: unknown[];
}

/** Reports one fault of a field in the form from which the 422 body is made. */
export function reject(ctx: IssueSink, input: unknown, message: string, issue: FieldIssue): never {
  ctx.issues.push({ code: 'custom', input, message, params: issue });
  return z.NEVER;
}

const TRUE = new Set(['true', '1', 'yes', 'on', 't', 'y']);
const FALSE = new Set(['false', '0', 'no', 'off', 'f', 'n']);

export interface Bounds {
  readonly ge?: number;
  readonly le?: number;
  readonly gt?: number;
}

function checkBounds(ctx: IssueSink, input: unknown, value: number, bounds: Bounds): number {
  const { ge, le, gt } = bounds;
  if (ge !== undefined && value < ge)
    return reject(ctx, input, `Input should be greater than or equal to ${ge}`, {
      type: 'greater_than_equal',
      ctx: { ge },
    });
  if (gt !== undefined && value <= gt)
    return reject(ctx, input, `Input should be greater than ${gt}`, {
      type: 'greater_than',
      ctx: { gt },
    });
  if (le !== undefined && value > le)
    return reject(ctx, input, `Input should be less than or equal to ${le}`, {
      type: 'less_than_equal',
      ctx: { le },
    });
  return value;
}

/** Names of options in other libraries, and what they are called here. */
const CALLED: Readonly<Record<string, string>> = {
  min: 'ge',
  minimum: 'ge',
  gte: 'ge',
  max: 'le',
  maximum: 'le',
  lte: 'le',
  exclusiveMinimum: 'gt',
  minLength: 'min',
  maxLength: 'max',
  length: 'max',
};

/** Refuses options that do not exist: they would have no effect, and the field would accept everything. */
function checkOptions(builder: string, options: unknown, names: readonly string[]): void {
  const example = `field.${builder}({ ${names.map((name) => `${name}: …`).join(', ')} })`;
  if (typeof options !== 'object' || options === null)
    throw new TypeError(`field.${builder} takes its options as an object: ${example}`);
  for (const [name, value] of Object.entries(options)) {
    const better = CALLED[name];
    const hint = better !== undefined && names.includes(better) ? `use "${better}"` : `its options are ${example}`;
    if (!names.includes(name)) throw new TypeError(`field.${builder} has no option "${name}": ${hint}`);
    if (value !== undefined && !Number.isFinite(value))
      throw new TypeError(`field.${builder}: the option "${name}" must be a number`);
  }
}

const BOUNDS = ['ge', 'le', 'gt'] as const;

const boundsMeta = ({ ge, le, gt }: Bounds): Record<string, number> => ({
  ...(ge !== undefined && { minimum: ge }),
  ...(le !== undefined && { maximum: le }),
  ...(gt !== undefined && { exclusiveMinimum: gt }),
});

/** An integer; `"5.0"`, `" 5 "` and `"05"` are 5. Numbers beyond ±2^53 are refused, never rounded. */
const int = (bounds: Bounds = {}) => {
  checkOptions('int', bounds, BOUNDS);
  return z
    .string()
    .transform((text, ctx): number => {
      if (!/^\s*[+-]?\d+(\.0+)?\s*$/.test(text))
        return reject(ctx, text, 'Input should be a valid integer, unable to parse string as an integer', {
          type: 'int_parsing',
        });
      const value = Number(text);
      if (!Number.isSafeInteger(value))
        return reject(ctx, text, 'Unable to parse input string as an integer, exceeded maximum size', {
          type: 'int_parsing_size',
        });
      return checkBounds(ctx, text, value, bounds);
    })
    .meta({ type: 'integer', ...boundsMeta(bounds) });
};

/** A finite decimal number. */
const float = (bounds: Bounds = {}) => {
  checkOptions('float', bounds, BOUNDS);
  return z
    .string()
    .transform((text, ctx): number => {
      const value = text.trim() === '' ? Number.NaN : Number(text);
      if (!Number.isFinite(value))
        return reject(ctx, text, 'Input should be a valid number, unable to parse string as a number', {
          type: 'float_parsing',
        });
      return checkBounds(ctx, text, value, bounds);
    })
    .meta({ type: 'number', ...boundsMeta(bounds) });
};

/** A boolean: true, 1, yes, on, t, y and their opposites, in upper or lower case. */
const bool = () =>
  z
    .string()
    .transform((text, ctx): boolean => {
      const word = text.toLowerCase();
      if (TRUE.has(word)) return true;
      if (FALSE.has(word)) return false;
      return reject(ctx, text, 'Input should be a valid boolean, unable to interpret input', {
        type: 'bool_parsing',
      });
    })
    .meta({ type: 'boolean' });

/** One word of a list; upper and lower case differ. */
const choice = <const T extends readonly [string, ...string[]]>(words: T) => {
  if (!Array.isArray(words) || words.length === 0 || words.some((word) => typeof word !== 'string'))
    throw new TypeError("field.choice takes a list of words: field.choice(['small', 'large'])");
  return z
    .string()
    .transform((text, ctx): T[number] => {
      if (words.includes(text)) return text;
      const quoted = words.map((w) => `'${w}'`);
      const expected = quoted.length > 1 ? `${quoted.slice(0, -1).join(', ')} or ${quoted.at(-1)}` : quoted.join();
      return reject(ctx, text, `Input should be ${expected}`, {
        type: 'literal_error',
        ctx: { expected },
      });
    })
    .meta({ type: 'string', enum: [...words] });
};

/** Text of a bounded length in UTF-16 units. NUL is refused because databases and file systems cannot handle it. */
const text = (options: { max?: number; min?: number } = {}) => {
  checkOptions('text', options, ['min', 'max']);
  const { max = 10_000, min = 0 } = options;
  return z
    .string()
    .transform((value, ctx): string => {
      if (value.includes('\0'))
        return reject(ctx, value, 'Text must not contain a NUL character', { type: 'string_nul' });
      if (value.length < min)
        return reject(ctx, value, `String should have at least ${min} character${min === 1 ? '' : 's'}`, {
          type: 'string_too_short',
          ctx: { min_length: min },
        });
      if (value.length > max)
        return reject(ctx, value, `String should have at most ${max} characters`, {
          type: 'string_too_long',
          ctx: { max_length: max },
        });
      return value;
    })
    .meta({ type: 'string', maxLength: max, ...(min > 0 && { minLength: min }) });
};

/** An optional text in a query: `?md5=` means the same as no `md5`. */
const filter = (max = 1000) =>
  text({ max })
    .optional()
    .transform((value) => (value === '' ? undefined : value));

/** JSON inside a text field. `schema` checks the parsed value. */
const json = <S extends z.ZodType>(schema: S) => {
  if (typeof (schema as { safeParse?: unknown } | undefined)?.safeParse !== 'function')
    throw new TypeError('field.json takes the schema of the parsed value: field.json(z.array(z.string()))');
  return z
    .string()
    .transform((value, ctx): unknown => {
      try {
        return parseJson(value);
      } catch (error) {
        return reject(ctx, value, (error as Error).message, { type: 'json_invalid' });
      }
    })
    .pipe(schema)
    .meta({ type: 'string', contentMediaType: 'application/json' });
};

export const field = { int, float, bool, choice, text, filter, json } as const;
