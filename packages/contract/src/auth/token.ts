import { z } from 'zod';

/**
 * Claims of an access token. Strict on purpose: a number for `id`, a text for `is_admin` or for `permissions` is a
 * malformed token, not something to convert. Unknown claims are ignored.
 */
export const tokenClaims = z.object({
  id: z.string().min(1),
  sub: z.string().optional(),
  username: z.string().optional(),
  permissions: z
    .array(z.string())
    .default([])
    .transform((list) => [...new Set(list)]),
  is_admin: z.boolean().default(false),
  iat: z.int().optional(),
  exp: z.int(),
  nbf: z.number().optional(),
  jti: z.string().optional(),
  iss: z.string(),
  aud: z.union([z.string(), z.array(z.string())]).optional(),
  /** The user's token generation at issue; a password change, deactivation or deletion moves the user to a later one. */
  ver: z.int().min(0).default(0),
});
export type TokenClaims = z.infer<typeof tokenClaims>;

/** One cut-off: this user's tokens of a generation before `min_version` are dead. */
export const revocation = z.object({
  /** Position in the feed; ask with `since` the last one seen. */
  seq: z.int(),
  user_id: z.string(),
  min_version: z.int(),
});
export type Revocation = z.infer<typeof revocation>;

export const revocationFeed = z.object({
  items: z.array(revocation),
  last_seq: z.int(),
  /** Milliseconds since the epoch: every token issued from then on names its audience. Absent: none does. */
  audience_since: z.int().optional(),
});
export type RevocationFeed = z.infer<typeof revocationFeed>;
