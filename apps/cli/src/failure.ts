import { CliError, EXIT, type ExitCode } from './exit-codes.js';
import { notFoundMessage } from './not-found.js';

/** A failure as it is reported: to people in one line, to programs as JSON. */
export interface Failure {
  readonly exitCode: ExitCode;
  readonly message: string;
  readonly code: string;
  readonly hint?: string | undefined;
  readonly status?: number | undefined;
  readonly request_id?: string | undefined;
  readonly job_id?: string | undefined;
}

/** Maps the stable codes and statuses of the SDK's errors, so that the SDK need not be loaded to report one. */
interface SdkError extends Error {
  readonly code?: unknown;
  readonly status?: number;
  readonly requestId?: string;
  readonly url?: string;
  readonly job?: { readonly job_id: string };
}

const BY_STATUS: Readonly<Record<number, ExitCode>> = {
  400: EXIT.badInput,
  401: EXIT.auth,
  403: EXIT.forbidden,
  404: EXIT.notFound,
  405: EXIT.badInput,
  409: EXIT.conflict,
  413: EXIT.badInput,
  415: EXIT.badInput,
  422: EXIT.badInput,
};

const BY_CODE: Readonly<Record<string, ExitCode>> = {
  network: EXIT.unreachable,
  timeout: EXIT.timeout,
  not_logged_in: EXIT.auth,
  file: EXIT.badInput,
  config: EXIT.usage,
  worker_unavailable: EXIT.timeout,
};

const HINTS: Readonly<Record<number, string>> = {
  [EXIT.auth]: 'Log in with: cl-client login',
  [EXIT.unreachable]: 'Is the server running? Check with: cl-client doctor',
};

/** Translates an error into a message, a hint and an exit code for the user. */
export function failureOf(error: unknown, interrupted: boolean): Failure {
  if (interrupted) return { exitCode: EXIT.interrupted, message: 'Interrupted', code: 'interrupted' };
  if (error instanceof CliError) {
    const { exitCode, message, code, hint } = error;
    const { status, requestId } = (error.cause ?? {}) as Partial<SdkError>;
    return { exitCode, message, code, hint, status, request_id: requestId };
  }
  if (!(error instanceof Error)) return { exitCode: EXIT.failed, message: String(error), code: 'unknown' };
  const { code, status, requestId, job, url } = error as SdkError;
  const message = status === 404 && url !== undefined ? notFoundMessage(error.message, url) : error.message;
  const word = typeof code === 'string' ? code : 'unknown';
  let exitCode: ExitCode = BY_CODE[word] ?? EXIT.failed;
  if (status !== undefined) exitCode = BY_STATUS[status] ?? (status >= 429 ? EXIT.server : EXIT.failed);
  if (job) exitCode = word === 'cancelled' ? EXIT.jobCancelled : EXIT.jobFailed;
  return { exitCode, message, code: word, hint: HINTS[exitCode], status, request_id: requestId, job_id: job?.job_id };
}

/** A failure as an item of NDJSON output. */
export const failureRecord = ({ message, code, exitCode, status, request_id }: Failure) => ({
  message,
  code,
  exit_code: exitCode,
  status,
  request_id,
});
