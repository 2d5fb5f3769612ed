import { errorCode } from '@cl-server/kit';

/** What a person does about a folder of models that cannot be written. */
const CURES: Readonly<Record<string, string>> = {
  EACCES: 'let the user that runs this write there, or name another folder',
  EPERM: 'let the user that runs this write there, or name another folder',
  EROFS: 'it is mounted read-only; name another folder',
  ENOTDIR: 'a file is in the way of a folder; name another folder',
  EEXIST: 'a file is in the way of a folder; name another folder',
  ENOSPC: 'its disk is full; make room, or name another folder',
  EDQUOT: 'its disk is full; make room, or name another folder',
};

/** A sentence without paths, where an error of the file system is one of these. */
export function unwritable(error: unknown): string | undefined {
  const code = errorCode(error) ?? '';
  const cure = CURES[code];
  return cure === undefined ? undefined : `MODELS_DIR cannot be written (${code}): ${cure}`;
}
