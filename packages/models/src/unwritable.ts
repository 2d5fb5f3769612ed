/** Explains why a folder of models is not writable. */
import { errorCode } from '@cl-server/kit';

/** Advice to the operator about a folder of models that is not writable. */
const ADVICE: Readonly<Record<string, string>> = {
  EACCES: 'let the user that runs this program write there, or name another folder',
  EPERM: 'let the user that runs this program write there, or name another folder',
  EROFS: 'it is mounted read-only; name another folder',
  ENOTDIR: 'a file is in the way of a folder; name another folder',
  EEXIST: 'a file is in the way of a folder; name another folder',
  ENOSPC: 'its disk is full; make room, or name another folder',
  EDQUOT: 'its disk is full; make room, or name another folder',
};

/** A sentence without paths if the error is one of these errors of the file system. */
export function unwritable(error: unknown): string | undefined {
  const code = errorCode(error) ?? '';
  const cure = ADVICE[code];
  return cure === undefined ? undefined : `MODELS_DIR cannot be written (${code}): ${cure}`;
}
