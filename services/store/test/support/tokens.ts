/** Tokens like those of the auth service, signed with a key of the test. */
import { generateKeyPairSync, sign } from 'node:crypto';
import { type KeySource, TokenVerifier } from '@cl-server/service-kit';

export interface TokenOptions {
  readonly permissions?: readonly string[];
  readonly admin?: boolean;
  /** Seconds since 1970. */
  readonly exp?: number;
}

const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

export function tokenOf(
  id: string,
  { permissions = [], admin = false, exp = 4_000_000_000 }: TokenOptions = {},
): string {
  const head = encode({ alg: 'ES256', typ: 'JWT', kid: 'k'.repeat(43) });
  const body = encode({ id, sub: id, permissions, is_admin: admin, exp, iss: 'cl-server' });
  const signature = sign('sha256', Buffer.from(`${head}.${body}`), { key: privateKey, dsaEncoding: 'ieee-p1363' });
  return `${head}.${body}.${signature.toString('base64url')}`;
}

const keys: KeySource = {
  get: async () => publicKey,
  onChange: () => undefined,
  ready: () => true,
  close: () => undefined,
};
export const testVerifier = new TokenVerifier({ keys });

/** A user who may read and write. */
export const WRITER = tokenOf('7', { permissions: ['media_store_read', 'media_store_write'] });
export const WRITER_ONLY = tokenOf('7', { permissions: ['media_store_write'] });
export const READER = tokenOf('8', { permissions: ['media_store_read'] });
export const ADMIN = tokenOf('1', { admin: true });
