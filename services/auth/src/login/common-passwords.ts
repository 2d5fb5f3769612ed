/** The passwords that guessers try first are refused where a password is set: the commonest 3,000 that are long enough. */
import { MIN_PASSWORD_LENGTH } from '@cl-server/contract';
import { invalidField } from '@cl-server/service-kit';

const REFUSED = 3_000;

let list: Promise<ReadonlySet<string>> | undefined;

/** Read when the first password is set: most processes never need it. The package has them in the order of their use. */
async function read(): Promise<ReadonlySet<string>> {
  const { dictionary } = await import('@zxcvbn-ts/language-common');
  const longEnough = dictionary['passwords-common'].filter((word) => word.length >= MIN_PASSWORD_LENGTH);
  return new Set(longEnough.slice(0, REFUSED));
}

/** Letters count alike in both cases. */
export async function isCommonPassword(password: string): Promise<boolean> {
  list ??= read();
  return (await list).has(password.toLowerCase());
}

/** @throws HttpError 422 for that field */
export async function refuseCommonPassword(field: string, password: string | undefined): Promise<void> {
  if (password !== undefined && (await isCommonPassword(password)))
    throw invalidField(
      'body',
      field,
      'Password is one of the commonest, which guessers try first: choose another',
      null,
      'password_common',
    );
}
