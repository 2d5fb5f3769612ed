import type { Credentials } from '@cl-server/client';
import { CliError, EXIT } from './exit-codes.js';
import { askPassword } from './io/prompt.js';
import type { GlobalOptions, World } from './world.js';

/** As whom a command calls the services. */
export type Identity =
  | { readonly kind: 'guest' }
  | { readonly kind: 'token'; readonly token: string }
  /** Logged in for this command alone; nothing of it is kept. */
  | { readonly kind: 'login'; readonly credentials: () => Promise<Credentials> }
  /** The profile's login, if there is one. */
  | { readonly kind: 'kept' };

/** What the command line says beats the environment, and that beats what the profile keeps. */
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
    if (!world.stdin.isTTY) throw new CliError('--username needs --password', EXIT.usage, 'Or CL_PASSWORD');
    return { username, password: await askPassword(world, `Password of ${username}`) };
  },
});
