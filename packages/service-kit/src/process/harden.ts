/**
 * What every process of the platform holds to, and hands on to its children.
 *
 * - Files are closed to others: nobody but the platform's user and group reads media, databases, keys and logs.
 * - Nothing is told to anybody outside: ONNX Runtime sends usage data by itself unless it is told not to.
 */
export function hardenProcess(): void {
  process.umask(process.umask() | 0o027);
  process.env.ORT_DISABLE_TELEMETRY = '1';
}
