import type { JobErrorCode, Lack } from '@cl-server/contract';

/**
 * A failure that a task foresaw. The message reaches the client: a sentence, without paths of the server.
 * Retryable only where another try may end otherwise.
 */
export class TaskError extends Error {
  override readonly name = 'TaskError';
  constructor(
    readonly code: JobErrorCode,
    message: string,
    readonly options: { readonly retryable?: boolean; readonly cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause });
  }
  get retryable(): boolean {
    return this.options.retryable ?? false;
  }
}

/** Input that no retry will make good. */
export const invalidInput = (message: string, cause?: unknown): TaskError =>
  new TaskError('invalid_input', message, { cause });

/** A file of a kind that the task does not handle. */
export const unsupportedMedia = (message: string, cause?: unknown): TaskError =>
  new TaskError('unsupported_media', message, { cause });

/**
 * Thrown by `setup`, or by a job that finds it out later: the task cannot run on this machine now. The worker withdraws it,
 * says why, gives the job back to the queue and tries the set-up again after a while.
 */
export class TaskUnavailable extends Error {
  override readonly name = 'TaskUnavailable';
  constructor(
    readonly code: Lack | 'task_failed',
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** A request refused when the job is created, by a task's `prepare`. */
export class TaskRefusal extends Error {
  override readonly name = 'TaskRefusal';
  constructor(
    readonly status: 400 | 403 | 422,
    message: string,
    /** The form field at fault; a 422 then lists it. */
    readonly field?: string,
  ) {
    super(message);
  }
}
