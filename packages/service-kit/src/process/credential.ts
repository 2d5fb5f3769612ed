/** The secret by which the platform's own processes know each other: broker password and bearer of internal endpoints. */
import { randomBytes, timingSafeEqual } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { createFileSync } from '@cl-server/kit';

const FILE = 'mqtt_credential';

/** Reads `$CL_SERVER_DIR/mqtt_credential`, making it (mode 0600) on first use. Safe when several processes start at once. */
export function serviceCredential(dataDir: string): string {
  const file = path.join(dataDir, FILE);
  if (!fs.existsSync(file)) createFileSync(file, `${randomBytes(32).toString('base64url')}\n`, 0o600);
  // If another process was first, its secret counts.
  return fs.readFileSync(file, 'utf8').trim();
}

/** Compares secrets in a time that does not depend on where they differ. */
export function sameSecret(a: string, b: string): boolean {
  const left = Buffer.from(a);
  const right = Buffer.from(b);
  return left.length === right.length && timingSafeEqual(left, right);
}
