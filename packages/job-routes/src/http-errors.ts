/** Translates errors of the job engine into answers. The engine itself knows nothing of HTTP. */
import { JobError, type JobErrorKind } from '@cl-server/jobs';
import { HttpError, storageFault } from '@cl-server/service-kit';

const STATUS: Readonly<Record<JobErrorKind, number>> = {
  path_traversal: 403,
  not_found: 404,
  not_a_file: 400,
  result_refused: 400,
  bad_cursor: 400,
};

/** @returns the answer for an error that the client can act on, a full disk included; other errors unchanged */
export function httpErrorOf(error: unknown): unknown {
  if (error instanceof JobError) return new HttpError(STATUS[error.code], error.message, { code: error.code });
  return storageFault(error);
}

/** @throws what `httpErrorOf` makes of the errors of `work` */
export async function withHttpErrors<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw httpErrorOf(error);
  }
}
