/** Errors that tasks throw. */
import type { JobErrorCode, Lack } from '@cl-server/contract';

/**
 * An expected failure of a task. Clients see the message: a sentence without paths of the server. It is retryable only
 * if another attempt may end differently.
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

/** Input that no retry can correct. */
export const invalidInput = (message: string, cause?: unknown): TaskError =>
  new TaskError('invalid_input', message, { cause });

/** A file of a kind that the task does not support. */
export const unsupportedMedia = (message: string, cause?: unknown): TaskError =>
  new TaskError('unsupported_media', message, { cause });

/**
 * Thrown by `setup`, or by a job that finds it out later: the task cannot run on this machine now. The worker withdraws
 * the task with the reason, returns the job to the queue and tries the setup again after a while.
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

/** A request that the `prepare` function of a task refuses when the job is created. */
export class TaskRefusal extends Error {
  override readonly name = 'TaskRefusal';
  constructor(
    readonly status: 400 | 403 | 422,
    message: string,
    /** The form field at fault, which a 422 response then lists. */
    readonly field?: string,
  ) {
    super(message);
  }
}
