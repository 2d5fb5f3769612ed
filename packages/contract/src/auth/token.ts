/** The claims of access tokens and the feed of revoked ones. */
import { z } from 'zod';

/**
 * Claims of an access token. The schema is strict on purpose: a number for `id`, or a text for `is_admin` or
 * `permissions`, makes the token malformed; nothing is converted. Unknown claims are ignored.
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
  /**
   * The user's token generation when the token was issued; a password change, deactivation or deletion starts the next
   * one.
   */
  ver: z.int().min(0).default(0),
  /** The credential from which the token was issued, such as a session. The token ends with it. */
  sid: z.string().max(64).optional(),
});
export type TokenClaims = z.infer<typeof tokenClaims>;

/** One revocation: the user's tokens of a generation before `min_version` are no longer valid. */
export const revocation = z
  .object({
    /** Position in the feed; a client sends the last one that it has seen as `since`. */
    seq: z.int(),
    user_id: z.string(),
    min_version: z.int(),
  })
  .meta({ id: 'Revocation' });
export type Revocation = z.infer<typeof revocation>;

/** A credential, such as a session, that ended while access tokens issued from it had not expired. */
const endedCredential = z
  .object({
    /** Position in the feed of ended credentials; a client sends the last one that it has seen as `ended_since`. */
    seq: z.int(),
    /** The claim `sid` of the access tokens that are no longer valid. */
    id: z.string(),
    /** Milliseconds since the epoch at which the last of these access tokens expires. */
    until: z.int(),
  })
  .meta({ id: 'EndedCredential' });

export const revocationFeed = z
  .object({
    items: z.array(revocation),
    last_seq: z.int(),
    /** Absent if the auth service does not have sessions. */
    ended: z.array(endedCredential).optional(),
    last_ended_seq: z.int().optional(),
    /**
     * Milliseconds since the epoch. Every token issued from then on names its audience. Absent if tokens do not name one.
     */
    audience_since: z.int().optional(),
  })
  .meta({ id: 'RevocationFeed' });
export type RevocationFeed = z.infer<typeof revocationFeed>;
