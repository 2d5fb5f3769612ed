/** Refuses the passwords that attackers try first when a password is set: the 3,000 most common that are long enough. */
import { MIN_PASSWORD_LENGTH } from '@cl-server/contract';
import { invalidField } from '@cl-server/service-kit';

const LIST_SIZE = 3_000;

let list: Promise<ReadonlySet<string>> | undefined;

/** The list is read when the first password is set, because most processes never need it. The package sorts it by frequency. */
async function read(): Promise<ReadonlySet<string>> {
  const { dictionary } = await import('@zxcvbn-ts/language-common');
  const longEnough = dictionary['passwords-common'].filter((word) => word.length >= MIN_PASSWORD_LENGTH);
  return new Set(longEnough.slice(0, LIST_SIZE));
}

/** The comparison ignores case. */
export async function isCommonPassword(password: string): Promise<boolean> {
  list ??= read();
  return (await list).has(password.toLowerCase());
}

/** @throws HttpError 422 for the given field */
export async function refuseCommonPassword(field: string, password: string | undefined): Promise<void> {
  if (password !== undefined && (await isCommonPassword(password)))
    throw invalidField(
      'body',
      field,
      'Password is one of the most common, which attackers try first: choose another',
      null,
      'password_common',
    );
}
