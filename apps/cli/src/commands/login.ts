import type { Command } from 'commander';
import { leafMaker } from '../command.js';
import type { Context } from '../context.js';
import { CliError, EXIT } from '../exit-codes.js';
import { askPassword, askText, readAll } from '../io/prompt.js';
import type { World } from '../world.js';

interface LoginOptions {
  readonly username?: string;
  readonly password?: string;
  readonly passwordStdin?: boolean;
  readonly auth?: boolean;
}

async function credentials({ world, options: before }: Context, options: LoginOptions): Promise<[string, string]> {
  const { env, stdin } = world;
  const asking = stdin.isTTY === true;
  const missing = (what: string): never => {
    throw new CliError(
      `No ${what} given`,
      EXIT.usage,
      'Use -u and -p, --password-stdin, or CL_USERNAME and CL_PASSWORD',
    );
  };
  const username =
    options.username ??
    before.loginUsername ??
    env.CL_USERNAME ??
    (asking ? await askText(world, 'User name') : missing('user name'));
  const given = options.passwordStdin ? (await readAll(stdin)).replace(/\r?\n$/, '') : options.password;
  const password =
    given ??
    before.loginPassword ??
    env.CL_PASSWORD ??
    (asking ? await askPassword(world, 'Password') : missing('password'));
  return [username, password];
}

/** Saves the addresses that were given with the login, so that the next command does not need them. */
async function keepAddresses(context: Context): Promise<void> {
  const profile = await context.profileName();
  const { authUrl, storeUrl, computeUrl, mqttUrl } = context.options;
  const said = { auth_url: authUrl, store_url: storeUrl, compute_url: computeUrl, mqtt_url: mqttUrl };
  for (const [key, value] of Object.entries(said))
    if (value !== undefined) await context.profiles.set(profile, key, value);
}

async function login(context: Context, options: LoginOptions): Promise<void> {
  const { session, urls } = await context.savedPlatform();
  if (options.auth === false || context.options.sendLogin === false) {
    await session.logout();
    await keepAddresses(context);
    context.out.success(`Using ${urls.auth} without a login`);
    return;
  }
  const [username, password] = await credentials(context, options);
  const user = await session.login(username, password);
  await keepAddresses(context);
  if (context.out.format === 'human') context.out.success(`Logged in as ${user.username} at ${urls.auth}`);
  else await context.out.one(user, ({ id }) => id);
}

async function whoami(context: Context): Promise<void> {
  const { auth, urls } = await context.platform();
  const user = await auth.users.me(context.call);
  await context.out.one({ ...user, profile: await context.profileName(), ...urls }, () => user.username);
}

async function logout(context: Context): Promise<void> {
  const { session } = await context.savedPlatform();
  await session.logout();
  context.out.success('Logged out');
}

async function token(context: Context, { refresh }: { readonly refresh?: boolean }): Promise<void> {
  const { auth, session } = await context.platform();
  let text = await session.getToken();
  if (refresh) {
    text = (await auth.refresh(text, context.call)).access_token;
    await session.adopt(text, (await session.user()).username);
  }
  if (context.out.format === 'human' || context.out.format === 'quiet') context.out.write(`${text}\n`);
  else await context.out.one({ access_token: text, token_type: 'bearer' });
}

async function changePassword(
  context: Context,
  { current, new: next }: { readonly current?: string; readonly new?: string },
): Promise<void> {
  const { world } = context;
  const ask = async (given: string | undefined, question: string): Promise<string> => {
    if (given !== undefined) return given;
    if (!world.stdin.isTTY) throw new CliError('Give --current and --new', EXIT.usage);
    return askPassword(world, question);
  };
  const { auth, session } = await context.platform();
  const old = await ask(current, 'Current password');
  const wanted = await ask(next, 'New password');
  const { username } = await auth.users.me(context.call);
  const { access_token } = await auth.users.changePassword(old, wanted, context.call);
  await session.adopt(access_token, username);
  context.out.success('Password changed; every other login has ended');
}

export function register(program: Command, world: World): void {
  const leaf = leafMaker(program, world);
  leaf('login', 'Log in and save the token (never the password)')
    .option('-u, --username <name>', 'user name (CL_USERNAME)')
    .option('-p, --password <password>', 'password (CL_PASSWORD); visible to other users of this machine')
    .option('--no-auth', 'delete the saved login and save only the addresses')
    .option('--password-stdin', 'read the password from standard input')
    .run(login);
  leaf('logout', 'Delete the saved login').run(logout);
  leaf('whoami', 'Show the user and the address of the login').run(whoami);
  leaf('token', 'Print a valid token').option('--refresh', 'get a new one').run(token);
  leaf('password', 'Change your own password')
    .option('--current <password>', 'current password')
    .option('--new <password>', 'new password')
    .run(changePassword);
}
