/** Logins, passwords and the public keys that verify tokens. */
import { z } from 'zod';
import { field, reject } from '../http/field.js';
import { givenPassword, newPassword } from './credentials.js';

export const accessToken = z.object({ access_token: z.string(), token_type: z.literal('bearer') }).meta({
  id: 'AccessToken',
  example: { access_token: 'eyJhbGciOiJFUzI1NiJ9.eyJpZCI6IjEifQ.c2lnbmF0dXJl', token_type: 'bearer' },
});
export type AccessToken = z.infer<typeof accessToken>;

/** The password grant of OAuth 2; `scope` and `client_id` are accepted and ignored. */
export const loginForm = z.object({
  username: field
    .text({ max: 1000 })
    .transform((name) => name.normalize('NFC'))
    .meta({ type: 'string', example: 'admin' }),
  password: givenPassword().meta({ example: 'the password' }),
  grant_type: z
    .string()
    .transform((text, ctx) =>
      text === 'password'
        ? text
        : reject(ctx, text, "String should match pattern '^password$'", {
            type: 'string_pattern_mismatch',
            ctx: { pattern: '^password$' },
          }),
    )
    .meta({ type: 'string', pattern: '^password$' })
    .optional(),
  scope: z.string().optional(),
  client_id: z.string().optional(),
  client_secret: z.string().optional(),
});

export const passwordChange = z.object({
  current_password: givenPassword().meta({ example: 'the old password' }),
  new_password: newPassword().meta({ example: 'a long new password' }),
});

export const publicKey = z
  .object({
    /** The key in PEM format (SPKI). */
    public_key: z.string(),
    algorithm: z.literal('ES256'),
  })
  .meta({ id: 'PublicKey' });
export type PublicKey = z.infer<typeof publicKey>;

/** A key set as in RFC 7517: every key whose tokens are still accepted, the signing key first. */
export const keySet = z
  .object({
    keys: z.array(
      z.object({
        kty: z.literal('EC'),
        crv: z.literal('P-256'),
        x: z.string(),
        y: z.string(),
        kid: z.string(),
        use: z.literal('sig'),
        alg: z.literal('ES256'),
      }),
    ),
  })
  .meta({ id: 'KeySet' });
export type KeySet = z.infer<typeof keySet>;
