/**
 * Distinguishes a database that is away (stopped, restarting, unreachable, overloaded, locked for too long) from a fault of
 * our own. A request is then answered with 503; a background loop waits and tries again.
 */

/**
 * SQLSTATE classes and codes of PostgreSQL, Appendix A: 08 connection exceptions, 53300 too many connections, 57P01 to
 * 57P03 shutdown, crash and start-up, 57P05 idle session timeout, 25006 a standby that cannot write, 40001 and 40P01
 * transactions that lost against others.
 */
const SQLSTATES = /^(08...|53300|57P0[1235]|25006|40001|40P01)$/;

const NETWORK = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'EHOSTDOWN',
  'ENETUNREACH',
  'ENETDOWN',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ENOENT',
]);

/** Errors of the pg driver that carry no code. */
const DRIVER =
  /^(Connection terminated|timeout exceeded when trying to connect|timeout expired|Query read timeout|Client has encountered a connection error|Client was closed and is not queryable)/;

const codeOf = (error: Error): string | undefined => {
  const { code } = error as { code?: unknown };
  return typeof code === 'string' ? code : undefined;
};

/** ENOENT means a missing socket file only if connecting failed; a missing media file is another matter. */
const isNetworkFault = (error: Error, code: string): boolean => {
  const { syscall } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT') return syscall === 'connect';
  return NETWORK.has(code) && (syscall !== undefined || error instanceof AggregateError);
};

/** Whether an error, or what caused it, says that the database does not answer now and may answer later. */
export function isDatabaseAway(error: unknown): boolean {
  for (let cause: unknown = error, depth = 0; cause instanceof Error && depth < 5; cause = cause.cause, depth++) {
    const code = codeOf(cause);
    if (code !== undefined && (SQLSTATES.test(code) || /^SQLITE_(BUSY|LOCKED|PROTOCOL)/.test(code))) return true;
    if (code !== undefined && isNetworkFault(cause, code)) return true;
    if (DRIVER.test(cause.message)) return true;
  }
  return false;
}
