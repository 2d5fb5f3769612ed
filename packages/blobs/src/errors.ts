/** The errors of a blob store; each has a code that programs can test. */
import { errorCode, isMissing, messageOf } from '@cl-server/kit';

export type BlobErrorCode =
  /** There is no blob with this key. */
  | 'not_found'
  /** There is no space left for the blob. */
  | 'full'
  /** The key leads out of the store, or to something that is not a blob. */
  | 'outside'
  /** A folder is not kept, because of links, special files, or too many or too large files in it. */
  | 'refused'
  /** The store cannot be reached now; it may be later. */
  | 'away';

export class BlobError extends Error {
  override readonly name = 'BlobError';

  constructor(
    readonly code: BlobErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

export const isNotFound = (error: unknown): boolean => error instanceof BlobError && error.code === 'not_found';

/** Whether there is nothing to read under a key: no blob, or something that is none. */
export const isUnreadable = (error: unknown): boolean =>
  isNotFound(error) || (error instanceof BlobError && error.code === 'outside');

const FULL: ReadonlySet<unknown> = new Set(['ENOSPC', 'EDQUOT']);
/** Codes that the system reports if the server of a network file system is gone or a disk was removed. */
const AWAY: ReadonlySet<unknown> = new Set(['ESTALE', 'ENOTCONN', 'ETIMEDOUT', 'EHOSTDOWN', 'EHOSTUNREACH', 'ENODEV']);

/** Translates an error of the system to a `BlobError`. Other errors, for example of the source stream, stay unchanged. */
export function blobErrorOf(error: unknown, key: string): unknown {
  const code = errorCode(error);
  if (error instanceof BlobError) return error;
  if (isMissing(error)) return new BlobError('not_found', `there is no blob ${key}`, { cause: error });
  if (code === 'ELOOP' || code === 'ENXIO')
    return new BlobError('outside', `${key} is a symbolic link or a socket, not a blob`, { cause: error });
  if (code === 'REFUSED') return new BlobError('refused', messageOf(error), { cause: error });
  if (FULL.has(code)) return new BlobError('full', `there is no space left for the blob ${key}`, { cause: error });
  if (AWAY.has(code)) return new BlobError('away', `the storage of the blob ${key} is away`, { cause: error });
  return error;
}
