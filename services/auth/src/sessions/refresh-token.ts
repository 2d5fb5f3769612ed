/**
 * Refresh tokens: `clr_`, the secret of the family, and the secret of this token. The first secret stays the same as long
 * as the session lasts, and the second one is replaced at each refresh. A token whose first secret is right and whose
 * second secret is not was therefore valid before, so that the use of an old token is noticed without a list of old ones.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';

export interface RefreshToken {
  readonly family: string;
  readonly secret: string;
}

const PREFIX = 'clr_';
/** 256 bits. Nobody can guess one, so a hash without salt and rounds protects it at rest. */
const SECRET_BYTES = 32;
const FORM = /^clr_([\w-]{43})([\w-]{43})$/;

/** A base64url text of 43 characters has 2 unused bits. Only the spelling in which they are 0 is accepted. */
const isCanonical = (text: string): boolean => Buffer.from(text, 'base64url').toString('base64url') === text;

export const newSecret = (): string => randomBytes(SECRET_BYTES).toString('base64url');

export const formatRefreshToken = ({ family, secret }: RefreshToken): string => `${PREFIX}${family}${secret}`;

/** The parts of a refresh token; undefined if the text is not one. */
export function parseRefreshToken(text: string): RefreshToken | undefined {
  const [, family, secret] = FORM.exec(text) ?? [];
  if (family === undefined || secret === undefined) return undefined;
  return isCanonical(family) && isCanonical(secret) ? { family, secret } : undefined;
}

/** The form in which the database holds a secret. */
export const hashSecret = (secret: string): string => createHash('sha256').update(secret).digest('base64url');

export const sameHash = (a: string, b: string): boolean =>
  a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b));
