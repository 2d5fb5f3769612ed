/**
 * Refusals of the engine, each with a code that programs may test. The engine knows nothing of HTTP: the job routes translate
 * these errors into answers.
 */
export type JobErrorKind =
  /** A path that leads out of the job's folder. */
  | 'path_traversal'
  /** A file or folder that is not there. */
  | 'not_found'
  /** A path that leads to something else than a file. */
  | 'not_a_file'
  /** Results that are not kept: links, special files, too many or too large ones. */
  | 'result_refused'
  /** A cursor that no list has returned. */
  | 'bad_cursor';

export class JobError extends Error {
  override readonly name = 'JobError';

  constructor(
    readonly code: JobErrorKind,
    message: string,
  ) {
    super(message);
  }
}
