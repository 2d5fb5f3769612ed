/** Every way in which a call can fail. `instanceof` and `code` both tell them apart; `code` survives serialisation. */
import type { Job, ValidationItem } from '@cl-server/contract';

/** Root of all errors that this package throws by itself. */
export class ClError extends Error {
  // Written out in every class: a bundler shortens the names of classes.
  override readonly name: string = 'ClError';
  /** Stable word; for answers of a server it is the server's own. */
  readonly code: string;

  constructor(message: string, code: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** Facts about a refusal. */
export interface ApiErrorInfo {
  readonly status: number;
  readonly code: string;
  /** A sentence, or the faults of a 422. */
  readonly detail: string | readonly ValidationItem[];
  /** Finds the line in the server's log. */
  readonly requestId: string | undefined;
  readonly retryAfterMs: number | undefined;
  readonly method: string;
  readonly url: string;
  /** The answer's JSON, where it is an object. */
  readonly body?: Readonly<Record<string, unknown>> | undefined;
}

const faultLine = ({ loc, msg }: ValidationItem): string =>
  `${loc.filter((part) => !['body', 'query', 'path'].includes(String(part))).join('.') || loc.join('.')}: ${msg}`;

/** The server answered, and refused. */
export class ApiError extends ClError {
  override readonly name: string = 'ApiError';
  readonly status: number;
  readonly detail: string | readonly ValidationItem[];
  readonly requestId: string | undefined;
  /** Milliseconds after which the server asks to try again. */
  readonly retryAfterMs: number | undefined;
  readonly method: string;
  readonly url: string;
  /** The whole answer: some refusals carry more than their reason. */
  readonly body: Readonly<Record<string, unknown>> | undefined;

  constructor(info: ApiErrorInfo) {
    super(typeof info.detail === 'string' ? info.detail : info.detail.map(faultLine).join('; '), info.code);
    this.status = info.status;
    this.detail = info.detail;
    this.requestId = info.requestId;
    this.retryAfterMs = info.retryAfterMs;
    this.method = info.method;
    this.url = info.url;
    this.body = info.body;
  }
}

/** 400: the fields do not fit together. */
export class BadRequestError extends ApiError {
  override readonly name: string = 'BadRequestError';
}
/** 401: no token, or one that is not accepted. */
export class AuthenticationError extends ApiError {
  override readonly name: string = 'AuthenticationError';
}
/** 403: the user lacks the right. */
export class PermissionError extends ApiError {
  override readonly name: string = 'PermissionError';
}
/** 404: nothing there, or not yours. */
export class NotFoundError extends ApiError {
  override readonly name: string = 'NotFoundError';
}
/** 409: the state of the thing does not allow it. */
export class ConflictError extends ApiError {
  override readonly name: string = 'ConflictError';
}
/** 413: larger than the server or the user's quota allows. */
export class TooLargeError extends ApiError {
  override readonly name: string = 'TooLargeError';
}
/** 415: a kind of data that is not read there. */
export class UnsupportedMediaError extends ApiError {
  override readonly name: string = 'UnsupportedMediaError';
}
/** 422: a field is missing or wrong. */
export class ValidationError extends ApiError {
  override readonly name: string = 'ValidationError';
  /** Each fault; empty where the server sent a sentence. */
  get items(): readonly ValidationItem[] {
    return typeof this.detail === 'string' ? [] : this.detail;
  }
}
/** 429: too many requests, or too many waiting jobs. */
export class RateLimitError extends ApiError {
  override readonly name: string = 'RateLimitError';
}
/** 5xx: the server failed. */
export class ServerError extends ApiError {
  override readonly name: string = 'ServerError';
}
/** 503: the server cannot answer now; `retryAfterMs` may say when. */
export class UnavailableError extends ServerError {
  override readonly name: string = 'UnavailableError';
}
/** 507: no space left. */
export class StorageFullError extends ServerError {
  override readonly name: string = 'StorageFullError';
}

const BY_STATUS: Readonly<Record<number, new (info: ApiErrorInfo) => ApiError>> = {
  400: BadRequestError,
  401: AuthenticationError,
  403: PermissionError,
  404: NotFoundError,
  409: ConflictError,
  413: TooLargeError,
  415: UnsupportedMediaError,
  422: ValidationError,
  429: RateLimitError,
  503: UnavailableError,
  507: StorageFullError,
};

/**
 * The error class of a status.
 * @internal
 */
export function apiError(info: ApiErrorInfo): ApiError {
  const Kind = BY_STATUS[info.status] ?? (info.status >= 500 ? ServerError : ApiError);
  return new Kind(info);
}

/** No answer: the server is not there, or the connection broke. */
export class NetworkError extends ClError {
  override readonly name: string = 'NetworkError';
  readonly url: string;
  constructor(message: string, url: string, options?: ErrorOptions) {
    super(message, 'network', options);
    this.url = url;
  }
}

/** The server answered, but not as this API does: it may be another program. */
export class BadAnswerError extends ClError {
  override readonly name: string = 'BadAnswerError';
  readonly url: string;
  constructor(url: string, options?: ErrorOptions) {
    super(`${url} did not answer with JSON`, 'bad_answer', options);
    this.url = url;
  }
}

/** Nothing happened for as long as the caller was ready to wait. */
export class TimeoutError extends ClError {
  override readonly name: string = 'TimeoutError';
  constructor(message: string, options?: ErrorOptions) {
    super(message, 'timeout', options);
  }
}

/** No session: log in first. */
export class NotLoggedInError extends ClError {
  override readonly name: string = 'NotLoggedInError';
  constructor(message = 'Not logged in', options?: ErrorOptions) {
    super(message, 'not_logged_in', options);
  }
}

/** A file that cannot be read, written or sent. */
export class FileError extends ClError {
  override readonly name: string = 'FileError';
  constructor(message: string, options?: ErrorOptions) {
    super(message, 'file', options);
  }
}

/** A setting that makes no sense. */
export class ConfigError extends ClError {
  override readonly name: string = 'ConfigError';
  constructor(message: string, options?: ErrorOptions) {
    super(message, 'config', options);
  }
}

/** A job ended without a result; `job` says why. `code` is the job's `error_code`. */
export class JobFailedError extends ClError {
  override readonly name: string = 'JobFailedError';
  readonly job: Job;
  constructor(job: Job) {
    super(`${job.task_type} failed: ${job.error_message ?? 'no reason given'}`, job.error_code ?? 'task_failed');
    this.job = job;
  }
}

/** Somebody stopped the job. */
export class JobCancelledError extends JobFailedError {
  override readonly name: string = 'JobCancelledError';
}

/** No live worker can run the task within the time. */
export class WorkerUnavailableError extends ClError {
  override readonly name: string = 'WorkerUnavailableError';
  readonly taskType: string;
  /** Tasks that could start now, and how many of each. */
  readonly capabilities: Readonly<Record<string, number>>;
  constructor(taskType: string, capabilities: Readonly<Record<string, number>>) {
    super(`No worker can run ${taskType} now`, 'worker_unavailable');
    this.taskType = taskType;
    this.capabilities = capabilities;
  }
}

/**
 * Whether something thrown means that the caller's own `AbortSignal` ended the call.
 *
 * @example
 * ```ts
 * await compute.hash.compute('photo.jpg', { signal }).settled().catch((error: unknown) => {
 *   if (!sdk.isAbort(error)) throw error;
 * });
 * ```
 */
export const isAbort = (error: unknown): boolean =>
  error instanceof Error && error.name === 'AbortError' && !(error instanceof ClError);
