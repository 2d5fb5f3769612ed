import { z } from 'zod';

/** One item of a 422: where (`loc`), what (`type`, `msg`) and what was sent (`input`). */
export const validationItem = z.object({
  type: z.string(),
  loc: z.array(z.union([z.string(), z.number()])),
  msg: z.string(),
  input: z.unknown(),
  ctx: z.record(z.string(), z.unknown()).optional(),
});
export type ValidationItem = z.infer<typeof validationItem>;

/**
 * Body of every refusal. `detail` is a sentence, or the list of faults of a 422; `code` is a stable word; `request_id`
 * finds the log line.
 */
export const errorBody = z.object({
  detail: z.union([z.string(), z.array(validationItem)]),
  code: z.string(),
  request_id: z.string(),
});
export type ErrorBody = z.infer<typeof errorBody>;

/** Stable word for a status whose cause has no word of its own. */
export const CODE_OF_STATUS: Readonly<Record<number, string>> = {
  400: 'bad_request',
  401: 'unauthenticated',
  403: 'forbidden',
  404: 'not_found',
  405: 'method_not_allowed',
  408: 'timeout',
  409: 'conflict',
  411: 'length_required',
  413: 'too_large',
  415: 'unsupported_media_type',
  416: 'range_not_satisfiable',
  422: 'validation',
  429: 'too_many_requests',
  431: 'headers_too_large',
  500: 'internal',
  503: 'unavailable',
  507: 'storage_full',
};
