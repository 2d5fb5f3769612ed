/**
 * The exit codes of the program.
 *
 * | code | meaning |
 * |---|---|
 * | 0 | success |
 * | 1 | failure, or failure of some of several items |
 * | 2 | invalid command line |
 * | 3 | not logged in, or login refused |
 * | 4 | permission missing |
 * | 5 | not found |
 * | 6 | the current state does not allow the operation |
 * | 7 | invalid input: a file, a field, a size |
 * | 8 | server unreachable |
 * | 9 | timeout |
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

/** An error that the program reports itself, with its exit code. */
export class CliError extends Error {
  readonly exitCode: ExitCode;
  readonly hint: string | undefined;
  /** A stable word for programs. */
  readonly code: string;
  constructor(message: string, exitCode: ExitCode = EXIT.failed, hint?: string, code = 'cli') {
    super(message);
    this.name = 'CliError';
    this.exitCode = exitCode;
    this.hint = hint;
    this.code = code;
  }
}
