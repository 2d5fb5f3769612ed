/**
 * How the program ends.
 *
 * | code | meaning |
 * |---|---|
 * | 0 | done |
 * | 1 | something failed, or a part of several things |
 * | 2 | the command line is wrong |
 * | 3 | not logged in, or the login was refused |
 * | 4 | the user lacks the right |
 * | 5 | no such thing |
 * | 6 | the state of the thing does not allow it |
 * | 7 | bad input: a file, a field, a size |
 * | 8 | the server is not there |
 * | 9 | it took too long |
 * | 10 | the server failed, or is full or busy |
 * | 11 | the job failed |
 * | 12 | the job was cancelled |
 * | 130 | interrupted |
 */
export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  auth: 3,
  forbidden: 4,
  notFound: 5,
  conflict: 6,
  badInput: 7,
  unreachable: 8,
  timeout: 9,
  server: 10,
  jobFailed: 11,
  jobCancelled: 12,
  interrupted: 130,
} as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** A failure that the program itself names, with its exit code. */
export class CliError extends Error {
  readonly exitCode: ExitCode;
  readonly hint: string | undefined;
  constructor(message: string, exitCode: ExitCode = EXIT.failed, hint?: string) {
    super(message);
    this.name = 'CliError';
    this.exitCode = exitCode;
    this.hint = hint;
  }
}
