import type { Credentials } from '@cl-server/client';
import { CliError, EXIT } from './exit-codes.js';
import { askPassword } from './io/prompt.js';
import type { GlobalOptions, World } from './world.js';

/** The identity with which a command calls the services. */
export type Identity =
  | { readonly kind: 'guest' }
  | { readonly kind: 'token'; readonly token: string }
  /** A login for this command only; nothing of it is saved. */
  | { readonly kind: 'login'; readonly credentials: () => Promise<Credentials> }
  /** The saved login of the profile, if there is one. */
  | { readonly kind: 'kept' };

/** The command line takes precedence over the environment, and the environment over the profile. */
export function identityOf(options: GlobalOptions, world: World): Identity {
  const { token, loginUsername, loginPassword, sendLogin } = options;
  const { CL_TOKEN, CL_USERNAME, CL_PASSWORD } = world.env;
  if (sendLogin === false) return { kind: 'guest' };
  if (token) return { kind: 'token', token };
  if (loginUsername !== undefined) return login(loginUsername, loginPassword ?? CL_PASSWORD, world);
  if (loginPassword !== undefined && !CL_USERNAME) throw new CliError('--password needs --username', EXIT.usage);
  if (CL_TOKEN && loginPassword === undefined) return { kind: 'token', token: CL_TOKEN };
  const password = loginPassword ?? CL_PASSWORD;
  return CL_USERNAME && password ? login(CL_USERNAME, password, world) : { kind: 'kept' };
}

const login = (username: string, password: string | undefined, world: World): Identity => ({
  kind: 'login',
  credentials: async () => {
    if (password !== undefined) return { username, password };
    if (!world.stdin.isTTY) throw new CliError('--username needs --password', EXIT.usage, 'Or set CL_PASSWORD');
    return { username, password: await askPassword(world, `Password of ${username}`) };
  },
});
