/** Names and passwords as they arrive in forms. */
import { z } from 'zod';
import { reject } from '../http/field.js';

export const MIN_PASSWORD_LENGTH = 8;
/** bcrypt reads no further; a longer password would be cut off without a word. */
export const MAX_PASSWORD_BYTES = 72;

/** What is wrong with a password for bcrypt, whoever chose it; undefined if nothing is. */
export function passwordFault(password: string): string | undefined {
  if (password.includes('\0')) return 'Password must not contain a NUL character';
  if (new TextEncoder().encode(password).length > MAX_PASSWORD_BYTES)
    return `Password must not be longer than ${MAX_PASSWORD_BYTES} bytes in UTF-8`;
  return undefined;
}

const password = (min: number) =>
  z
    .string()
    .transform((text, ctx): string => {
      const fault = passwordFault(text);
      if (fault) return reject(ctx, null, fault, { type: 'password_unfit', secret: true });
      if ([...text].length < min)
        return reject(ctx, null, `String should have at least ${min} characters`, {
          type: 'string_too_short',
          ctx: { min_length: min },
          secret: true,
        });
      return text;
    })
    .meta({ type: 'string', format: 'password', maxLength: MAX_PASSWORD_BYTES, ...(min > 0 && { minLength: min }) });

/** A password that is about to be compared. */
export const givenPassword = () => password(0);
/** A password that is about to be set. */
export const newPassword = () => password(MIN_PASSWORD_LENGTH);

const MAX_USERNAME_LENGTH = 150;

/** A name to log in with, in Unicode's composed form, so that it can be typed on any keyboard. */
export const usernameField = () =>
  z
    .string()
    .transform((text, ctx): string => {
      const name = text.normalize('NFC');
      if (name.trim() !== name || name === '' || /\p{C}/u.test(name))
        return reject(
          ctx,
          text,
          'Username must not be empty, begin or end with a space, or contain control characters',
          {
            type: 'username_unfit',
          },
        );
      if (name.length > MAX_USERNAME_LENGTH)
        return reject(ctx, text, `String should have at most ${MAX_USERNAME_LENGTH} characters`, {
          type: 'string_too_long',
          ctx: { max_length: MAX_USERNAME_LENGTH },
        });
      return name;
    })
    .meta({ type: 'string', minLength: 1, maxLength: MAX_USERNAME_LENGTH });
