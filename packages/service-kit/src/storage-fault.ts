import { errorCode } from '@cl-server/kit';
import { HttpError } from './errors.js';

/** Error codes of file systems, blob stores, SQLite and PostgreSQL for a full disk. */
const FULL = new Set(['full', 'ENOSPC', 'EDQUOT', 'SQLITE_FULL', '53100']);

/** An error of a `BlobStore` (packages/blobs, which this room does not import) that cannot be reached. */
const isStorageAway = (error: unknown): boolean =>
  error instanceof Error && error.name === 'BlobError' && errorCode(error) === 'away';

/** Turns faults of the storage into answers that tell the client what to do; other errors unchanged. */
export function storageFault(error: unknown): unknown {
  const code = errorCode(error);
  if (code !== undefined && FULL.has(code))
    return new HttpError(507, 'The server has no space left for this file', { cause: error });
  if (isStorageAway(error))
    return new HttpError(503, 'The storage of the server is unavailable; try again later', { cause: error });
  return error;
}
