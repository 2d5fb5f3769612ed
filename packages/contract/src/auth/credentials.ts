/** User names and passwords as forms send them. */
import { z } from 'zod';
import { reject } from '../http/field.js';

export const MIN_PASSWORD_LENGTH = 8;
/** bcrypt ignores further bytes: it would cut a longer password off silently. */
export const MAX_PASSWORD_BYTES = 72;

/** Describes why bcrypt cannot take a password, given or new; undefined if it can. */
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

/** A password that is compared with the stored one. */
export const givenPassword = () => password(0);
/** A password that will be stored. */
export const newPassword = () => password(MIN_PASSWORD_LENGTH);

const MAX_USERNAME_LENGTH = 150;

/** A login name, in Unicode's composed form (NFC), so that every keyboard can type it. */
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
