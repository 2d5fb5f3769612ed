/** The code of a system error (`ENOENT`, `EEXIST`, …) or of any error that carries one as text. */
export const errorCode = (error: unknown): string | undefined => {
  const code = (error as { code?: unknown } | null | undefined)?.code;
  return typeof code === 'string' ? code : undefined;
};

/** Whether a system call failed because there is no such file. A name that is too long cannot exist either. */
export const isMissing = (error: unknown): boolean =>
  ['ENOENT', 'ENOTDIR', 'ENAMETOOLONG'].includes(errorCode(error) ?? '');

/** Whether a system call failed because the file exists already. */
export const alreadyExists = (error: unknown): boolean => errorCode(error) === 'EEXIST';

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
