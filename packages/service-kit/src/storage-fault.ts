import { errorCode } from '@cl-server/kit';
import { HttpError } from './errors.js';

/** Error codes of file systems, SQLite and PostgreSQL for a full disk. */
const FULL = new Set(['ENOSPC', 'EDQUOT', 'SQLITE_FULL', '53100']);

/** Turns the error of a full disk into one that the client may read, because a full disk is not a bug. */
export function storageFault(error: unknown): unknown {
  const code = errorCode(error);
  if (code !== undefined && FULL.has(code))
    return new HttpError(507, 'The server has no space left for this file', { cause: error });
  return error;
}
