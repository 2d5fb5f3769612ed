import type { ValidationItem } from '@cl-server/contract';
import { CODE_OF_STATUS } from '@cl-server/contract/constants';

export interface RefusalOptions {
  /** A stable code for programs; defaults to the code of the status. */
  readonly code?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly cause?: unknown;
  /** Further keys of the body, beside `detail`, `code` and `request_id`. */
  readonly extra?: Readonly<Record<string, unknown>>;
}

/**
 * An error that the client may read: `status` and a `detail` that says what to do. Every other error is unexpected: it is
 * logged with its cause and answered with a bare 500.
 */
export class HttpError extends Error {
  override readonly name = 'HttpError';
  readonly code: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly extra: Readonly<Record<string, unknown>>;

  constructor(
    readonly status: number,
    readonly detail: string | readonly ValidationItem[],
    options: RefusalOptions = {},
  ) {
    super(typeof detail === 'string' ? detail : detail.map((item) => item.msg).join('; '), {
      cause: options.cause,
    });
    this.code = options.code ?? CODE_OF_STATUS[status] ?? 'error';
    this.headers = options.headers ?? {};
    this.extra = options.extra ?? {};
  }
}

export const badRequest = (detail: string, options?: RefusalOptions): HttpError => new HttpError(400, detail, options);
export const forbidden = (detail: string, options?: RefusalOptions): HttpError => new HttpError(403, detail, options);
export const notFound = (detail: string, options?: RefusalOptions): HttpError => new HttpError(404, detail, options);
export const conflict = (detail: string, options?: RefusalOptions): HttpError => new HttpError(409, detail, options);

const megabytes = (bytes: number): string => `${(bytes / 1_000_000).toFixed(1)} MB`;

/** @param used without the file that was refused */
export const overBudget = (used: number, allowed: number): HttpError =>
  new HttpError(
    413,
    `Your share of the storage is ${megabytes(allowed)}, of which ${megabytes(used)} are used, and this file would exceed it: remove entities, jobs or unfinished uploads first`,
    { code: 'quota_exceeded', extra: { used, allowed } },
  );

export const unprocessable = (detail: string, options?: RefusalOptions): HttpError =>
  new HttpError(422, detail, options);

/** 401 with the header that RFC 9110 requires. */
export const unauthenticated = (detail: string): HttpError =>
  new HttpError(401, detail, { headers: { 'www-authenticate': 'Bearer' } });

/** 422 for one field, in the form that validation gives. */
export const invalidField = (
  where: 'body' | 'query' | 'path',
  name: string,
  msg: string,
  input: unknown = null,
  type = 'value_error',
): HttpError => new HttpError(422, [{ type, loc: [where, name], msg, input }]);

/**
 * A fault of the set-up (configuration, port, folder, tool) that a person can fix. It is printed as one line without a
 * stack; the exit code is 1, or 2 for wrong usage.
 */
export class StartupError extends Error {
  override readonly name = 'StartupError';
  constructor(
    message: string,
    /** 130: interrupted by the user. */
    readonly exitCode: 1 | 2 | 130 = 1,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
