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

/** The one address of the server: the given one, or the one of the last login, whose other addresses may have changed. */
async function serverOf({ options, world, profiles }: Context, given: string | undefined, profile: string) {
  if (given !== undefined && options.server !== undefined)
    throw new CliError('Give the server once: as an argument or with --server', EXIT.usage);
  const explicit = options.authUrl ?? world.env.AUTH_URL ?? world.env.CL_AUTH_URL ?? world.env.CL_SERVER;
  return given ?? options.server ?? (explicit ? undefined : (await profiles.get(profile)).server_url);
}

/** Saves the addresses that were given with the login, so that the next command does not need them. */
async function keepAddresses(context: Context, server: string | undefined): Promise<void> {
  const profile = await context.profileName();
  if (server !== undefined) {
    const { auth, store, compute, mqtt } = (await context.savedPlatform()).urls;
    const urls = { auth_url: auth, store_url: store, compute_url: compute, mqtt_url: mqtt ?? 'none' };
    return context.profiles.replace(profile, { server_url: server, ...urls });
  }
  const { authUrl, storeUrl, computeUrl, mqttUrl } = context.options;
  const given = { auth_url: authUrl, store_url: storeUrl, compute_url: computeUrl, mqtt_url: mqttUrl };
  const { server_url, ...saved } = await context.profiles.get(profile);
  const kept = authUrl === undefined ? { server_url, ...saved } : saved;
  const changes = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  await context.profiles.replace(profile, { ...kept, ...changes });
}

async function login(context: Context, given: string | undefined, options: LoginOptions): Promise<void> {
  const server = await serverOf(context, given, await context.profileName());
  const { auth, session, urls } = await context.savedPlatform({ server, createProfile: true });
  if (options.auth === false || context.options.sendLogin === false) {
    await context.forgetLogin();
    await keepAddresses(context, server);
    context.out.success(`Using ${urls.auth} without a login`);
    return;
  }
  // Nobody should type a password for a server that does not answer.
  if (context.world.stdin.isTTY) await auth.system.live(context.call);
  const [username, password] = await credentials(context, options);
  const user = await session.login(username, password);
  await keepAddresses(context, server);
  if (context.out.format === 'human') context.out.success(`Logged in as ${user.username} at ${urls.auth}`);
  else await context.out.one(user, ({ id }) => id);
}

async function whoami(context: Context): Promise<void> {
  const { auth, urls } = await context.platform();
  const user = await auth.users.me(context.call);
  await context.out.one({ ...user, profile: await context.profileName(), ...urls }, () => user.username);
}

async function logout(context: Context): Promise<void> {
  const ended = await context.forgetLogin();
  context.out.success(
    ended ? 'Logged out' : 'Logged out here; the server does not answer, so the session there lasts until it expires',
  );
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
  const loggingIn = leaf(
    'login [server]',
    'Log in to a server, and save its addresses and a token (never the password)',
  );
  loggingIn.command.addHelpText('after', '\nExample: cl-client login https://photos.example -u ann');
  loggingIn
    .option('-u, --username <name>', 'user name (CL_USERNAME)')
    .option('-p, --password <password>', 'password (CL_PASSWORD); visible to other users of this machine')
    .option('--no-auth', 'use the server without logging in; the addresses are saved')
    .option('--password-stdin', 'read the password from standard input')
    .run(login);
  leaf('logout', 'End the session on the server, and delete the saved login').run(logout);
  leaf('whoami', 'Show the user and the address of the login').run(whoami);
  leaf('token', 'Print an access token').option('--refresh', 'get a new one').run(token);
  leaf('password', 'Change your own password')
    .option('--current <password>', 'current password')
    .option('--new <password>', 'new password')
    .run(changePassword);
}
