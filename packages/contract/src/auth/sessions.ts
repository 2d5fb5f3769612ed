/**
 * Sessions: logins that last. A session gives short access tokens for a refresh token, which is replaced at each use. The
 * use of a replaced refresh token ends the session, because the client or a thief holds a copy.
 */
import { z } from 'zod';
import { field, reject } from '../http/field.js';
import { listOf } from '../http/list.js';
import { givenPassword } from './credentials.js';

const MAX_DEVICE_LENGTH = 100;
/** More characters than any refresh token has. A text within the limit that is not a refresh token gets a 401. */
const MAX_REFRESH_TOKEN_LENGTH = 512;

/** A text of a JSON body whose value must not appear in an error message, whatever its type is. */
const secretText = () =>
  z.unknown().transform((value, ctx): string => {
    if (typeof value === 'string') return value;
    return value === undefined
      ? reject(ctx, null, 'Field required', { type: 'missing', secret: true })
      : reject(ctx, null, 'Input should be a valid string', { type: 'string_type', secret: true });
  });

const device = z
  .string()
  .max(MAX_DEVICE_LENGTH)
  .transform((text, ctx): string =>
    /\p{C}/u.test(text)
      ? reject(ctx, text, 'Device must not contain control characters', { type: 'device_unfit' })
      : text.trim(),
  )
  .meta({ type: 'string', maxLength: MAX_DEVICE_LENGTH, example: 'phone' });

export const newSession = z.object({
  username: field
    .text({ max: 1000 })
    .transform((name) => name.normalize('NFC'))
    .meta({ type: 'string', example: 'ann' }),
  password: secretText().pipe(givenPassword()).meta({ type: 'string', format: 'password', example: 'the password' }),
  device: device.optional().describe('A name by which the user recognizes the session; default: the user agent'),
});

export const sessionRefresh = z.object({
  refresh_token: secretText()
    .transform((text, ctx): string =>
      text.length <= MAX_REFRESH_TOKEN_LENGTH
        ? text
        : reject(ctx, null, `String should have at most ${MAX_REFRESH_TOKEN_LENGTH} characters`, {
            type: 'string_too_long',
            ctx: { max_length: MAX_REFRESH_TOKEN_LENGTH },
            secret: true,
          }),
    )
    .meta({ type: 'string', maxLength: MAX_REFRESH_TOKEN_LENGTH, example: 'clr_…' }),
});

/** The tokens of a session. The refresh token is valid for one refresh. */
export const sessionTokens = z
  .object({
    access_token: z.string(),
    token_type: z.literal('bearer'),
    expires_in: z.int().describe('Seconds until the access token expires'),
    refresh_token: z.string(),
    session_id: z.string(),
    session_expires_at: z
      .int()
      .describe('Milliseconds since the epoch: the session ends then if it is not refreshed before'),
  })
  .meta({ id: 'SessionTokens' });
export type SessionTokens = z.infer<typeof sessionTokens>;

export const session = z
  .object({
    id: z.string(),
    device: z.string(),
    address: z.string().describe('The address of the client at its last use'),
    created_at: z.int().describe('Milliseconds since the epoch'),
    last_used_at: z.int().describe('Milliseconds since the epoch: the login or the last refresh'),
    expires_at: z.int().describe('Milliseconds since the epoch: the session ends then if it is not refreshed before'),
    current: z.boolean().describe('Whether the access token of this request belongs to the session'),
  })
  .meta({ id: 'Session' });
export type Session = z.infer<typeof session>;

/** All sessions on one page: their number per user is limited. */
export const sessionList = listOf(session).meta({ id: 'SessionList' });
export type SessionList = z.infer<typeof sessionList>;

export const sessionId = z.object({ session_id: z.string().max(200) });

export const sessionsToEnd = z.object({
  keep_current: field.bool().default(false).describe('True: the session of this request stays'),
});
