/**
 * Restrictions of every process of the platform, inherited by its children.
 *
 * - Files are closed to others: only the platform's user and group can read media, databases, keys and logs.
 * - Nothing is sent to the outside: ONNX Runtime would send usage data by default.
 */
export function hardenProcess(): void {
  process.umask(process.umask() | 0o027);
  process.env.ORT_DISABLE_TELEMETRY = '1';
}
