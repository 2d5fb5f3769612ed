import { type Command, Option } from 'commander';
import { group, leafMaker } from '../command.js';
import { completionScript, DYNAMIC_VALUES, type DynamicValues, SHELLS, type Shell } from '../completion.js';
import { PROFILE_KEYS } from '../config/profiles.js';
import { addressesOf } from '../config/server.js';
import type { Context } from '../context.js';
import { CliError, EXIT } from '../exit-codes.js';
import type { World } from '../world.js';

async function get(context: Context, key: string | undefined): Promise<void> {
  const { urls } = await context.platform();
  const { server_url } = await context.profiles.get(await context.profileName());
  const values = {
    server_url,
    auth_url: urls.auth,
    store_url: urls.store,
    compute_url: urls.compute,
    mqtt_url: urls.mqtt,
  };
  if (key === undefined) {
    await context.out.one({ profile: await context.profileName(), folder: context.configFolder, ...values });
    return;
  }
  if (!(key in values))
    throw new CliError(`Unknown setting ${key}; the settings are ${PROFILE_KEYS.join(', ')}`, EXIT.usage);
  const value = values[key as keyof typeof values];
  if (context.out.format === 'human') context.out.write(`${value ?? 'none'}\n`);
  else await context.out.one({ [key]: value }, () => value);
}

async function set(context: Context, key: string, value: string): Promise<void> {
  if (key === 'server_url') return setServer(context, value);
  const { resolveUrls } = await import('@cl-server/client');
  resolveUrls({ args: { [key.replace(/_url$/, '')]: value } });
  const profile = await context.profileName();
  await context.profiles.set(profile, key, value);
  context.out.success(`Set ${key} of profile ${profile} to ${value}`);
}

/** Saves all addresses of a server. */
async function setServer(context: Context, server: string): Promise<void> {
  const { auth, store, compute, mqtt } = await addressesOf(server, context);
  const profile = await context.profileName();
  const urls = { auth_url: auth, store_url: store, compute_url: compute, mqtt_url: mqtt ?? 'none' };
  await context.profiles.replace(profile, { server_url: server, ...urls });
  context.out.success(`Saved the addresses of ${server} in profile ${profile}`);
}

const profileNames = async (context: Context): Promise<string[]> => [
  ...new Set(['default', ...Object.keys(await context.profiles.all())]),
];

async function profiles(context: Context): Promise<void> {
  const all = await context.profiles.all();
  const current = await context.profileName();
  const names = await profileNames(context);
  const rows = names.map((name) => ({ name, current: name === current, ...all[name] }));
  await context.out.many(rows, {
    columns: [
      { title: '', value: (row) => (row.current ? '*' : '') },
      { title: 'Profile', value: ({ name }) => name },
      { title: 'Auth', value: ({ auth_url }) => auth_url },
      { title: 'Store', value: ({ store_url }) => store_url },
      { title: 'Compute', value: ({ compute_url }) => compute_url },
      { title: 'MQTT', value: ({ mqtt_url }) => mqtt_url },
    ],
    id: ({ name }) => name,
  });
}

export function register(program: Command, world: World): void {
  const config = leafMaker(group(program, 'config', 'Saved addresses in profiles'), world);
  config('get [key]', 'Show the effective settings, or one of them').suggest(PROFILE_KEYS).run(get);
  config('set <key> <value>', `Save an address: ${PROFILE_KEYS.join(', ')}`)
    .suggest(PROFILE_KEYS)
    .run(set);
  config('unset <key>', 'Delete a saved address')
    .suggest(PROFILE_KEYS)
    .run(async (context, key) => context.profiles.set(await context.profileName(), key, undefined));
  config('profiles', 'List the profiles').run(profiles);
  config('use <profile>', 'Select the current profile').run((context, name) => context.profiles.use(name));
  config('remove <profile>', 'Delete a profile').run((context, name) => context.profiles.remove(name));
  const leaf = leafMaker(program, world);
  leaf('doctor', 'Check that all services are reachable and ready').run(async (context) => {
    const { doctor } = await import('../doctor.js');
    await doctor(context);
  });
  const completion = leaf('completion [shell]', 'Print a completion script for bash, zsh or fish').suggest(SHELLS);
  // Only the scripts use this option.
  completion.command.addOption(new Option('--values <kind>').choices(DYNAMIC_VALUES).hideHelp());
  completion.run(async (context, shell, given) => {
    const options = given as { readonly values?: DynamicValues };
    if (options.values === 'profiles') return printLines(context, await profileNames(context));
    if (options.values === 'tasks') return printLines(context, await taskNames(context));
    if (!(SHELLS as readonly string[]).includes(shell ?? ''))
      throw new CliError(
        `${shell ? `No completion for ${shell}; use` : 'Name the shell:'} ${SHELLS.join(', ')}`,
        EXIT.usage,
      );
    context.out.write(completionScript(program, shell as Shell));
  });
}

const printLines = ({ out }: Context, lines: readonly string[]): void =>
  out.write(lines.map((line) => `${line}\n`).join(''));

/** The tasks of the server; without an answer, those that every server has. */
async function taskNames(context: Context): Promise<string[]> {
  try {
    const { jobs } = (await context.platform()).compute;
    const tasks = await jobs.tasks({ ...context.call, timeoutMs: 2_000 });
    return tasks.map(({ task_type }) => task_type);
  } catch {
    const { TASK_COMMANDS } = await import('../tasks/task-command.js');
    return Object.keys(TASK_COMMANDS);
  }
}
