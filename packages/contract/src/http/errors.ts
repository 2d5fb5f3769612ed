/** The bodies of error responses. */
import { z } from 'zod';

/** One item of a 422 response: the place (`loc`), the fault (`type`, `msg`) and the value that was sent (`input`). */
export const validationItem = z
  .object({
    type: z.string(),
    loc: z.array(z.union([z.string(), z.number()])),
    msg: z.string(),
    input: z.unknown(),
    ctx: z.record(z.string(), z.unknown()).optional(),
  })
  .meta({ id: 'ValidationItem' });
export type ValidationItem = z.infer<typeof validationItem>;

/**
 * Body of every error response. `detail` is a sentence, or the list of faults of a 422; `code` is a stable word;
 * `request_id` finds the line in the log.
 */
export const errorBody = z
  .object({
    detail: z.union([z.string(), z.array(validationItem)]),
    code: z.string(),
    request_id: z.string(),
  })
  .meta({
    id: 'Error',
    example: { detail: 'Entity not found', code: 'not_found', request_id: '0197c1a2-6c1e-7d43-9f0e-5a1b2c3d4e5f' },
  });
export type ErrorBody = z.infer<typeof errorBody>;
