import type { User } from '@cl-server/client';
import type { Command } from 'commander';
import { collect, count, group, integer, leafMaker } from '../command.js';
import type { Context } from '../context.js';
import { CliError, EXIT } from '../exit-codes.js';
import type { View } from '../io/output.js';
import { askPassword, confirmed } from '../io/prompt.js';
import type { World } from '../world.js';

const VIEW: View<User> = {
  columns: [
    { title: 'ID', value: ({ id }) => id },
    { title: 'Name', value: ({ username }) => username },
    { title: 'Admin', value: ({ is_admin }) => (is_admin ? 'yes' : '') },
    { title: 'Active', value: ({ is_active }) => (is_active ? 'yes' : 'no') },
    { title: 'Permissions', value: ({ permissions }) => permissions.join(' ') },
    { title: 'Since', value: ({ created_at }) => created_at.slice(0, 10) },
  ],
  id: ({ id }) => id,
};

interface UserOptions {
  readonly password?: string;
  readonly admin?: boolean;
  readonly active?: boolean;
  readonly permission?: string[];
  readonly clearPermissions?: boolean;
  readonly yes?: boolean;
}

/** Finds a user by id or name. */
async function find(context: Context, who: string): Promise<User> {
  const { users } = (await context.platform()).auth;
  if (/^\d+$/.test(who)) return users.get(Number(who), context.call);
  const user = await users.find(who, context.call);
  if (!user) throw new CliError(`User not found: ${who}`, EXIT.notFound);
  return user;
}

/** @throws CliError if the services check no such permission: auth stores any word, which then allows nothing */
async function assertPermissions(names: readonly string[] | undefined): Promise<void> {
  const { PERMISSIONS } = await import('@cl-server/client');
  const known: readonly string[] = Object.values(PERMISSIONS);
  const unknown = names?.filter((name) => !known.includes(name)) ?? [];
  if (unknown.length > 0)
    throw new CliError(`Unknown permission ${unknown.join(', ')}; the permissions are ${known.join(', ')}`, EXIT.usage);
}

async function create(
  context: Context,
  username: string,
  given: string | undefined,
  options: UserOptions,
): Promise<void> {
  const { world } = context;
  await assertPermissions(options.permission);
  const said = given ?? options.password;
  if (said === undefined && !world.stdin.isTTY) throw new CliError('Give a password', EXIT.usage);
  const password = said ?? (await askPassword(world, `Password of ${username}`));
  const { users } = (await context.platform()).auth;
  const user = { username, password, is_admin: options.admin ?? false, permissions: options.permission ?? [] };
  await context.out.one(await users.create(user, context.call), VIEW.id);
  if (!user.is_admin && user.permissions.length === 0)
    context.out.note(
      `${username} has no permissions yet; see cl-client user permissions, and user update ${username} -p <name>`,
    );
}

async function update(context: Context, who: string, options: UserOptions): Promise<void> {
  await assertPermissions(options.permission);
  const { id } = await find(context, who);
  const change = {
    password: options.password,
    is_admin: options.admin,
    is_active: options.active,
    permissions: options.clearPermissions ? [] : options.permission,
  };
  if (Object.values(change).every((value) => value === undefined))
    throw new CliError('No change was given', EXIT.usage);
  const { users } = (await context.platform()).auth;
  await context.out.one(await users.update(id, change, context.call), VIEW.id);
}

async function remove(context: Context, who: string, options: UserOptions): Promise<void> {
  const user = await find(context, who);
  await confirmed(context.world, `Delete the user ${user.username}?`, options.yes ?? false);
  await (await context.platform()).auth.users.delete(user.id, context.call);
  context.out.success(`Deleted ${user.username}`);
}

/** The permissions that the services check. Auth also stores any other word. */
async function permissions(context: Context): Promise<void> {
  const { PERMISSIONS } = await import('@cl-server/client');
  const rows = [
    { permission: PERMISSIONS.storeRead, allows: 'reading from the store if reading needs a login' },
    { permission: PERMISSIONS.storeWrite, allows: 'adding, changing and deleting entities' },
    { permission: PERMISSIONS.compute, allows: 'creating and watching jobs' },
    {
      permission: PERMISSIONS.jobPriority,
      allows: 'priorities above 5 for one’s own jobs; without it they count as 5',
    },
  ];
  const columns = [
    { title: 'Permission', value: (row: (typeof rows)[number]) => row.permission },
    { title: 'Allows', value: (row: (typeof rows)[number]) => row.allows },
  ];
  await context.out.many(rows, { columns, id: ({ permission }) => permission });
}

/** Adds `user …` to the program, and again under `admin` (see docs/compatibility.md). */
export function register(parent: Command, world: World): void {
  const users = group(parent, 'user', 'User management (admins only)');
  const leaf = leafMaker(users, world);
  leaf('create <username> [password]', 'Create a user')
    .option('--password <password>', 'password of the user')
    .option('--admin', 'give admin rights')
    .option('-p, --permission <name>', 'give a permission; repeatable, or a comma-separated list', collect)
    .deprecatedOption('--permissions <name>', 'permission', collect)
    .run(create);
  leaf('list', 'List users')
    .option('--skip <n>', 'skip this many users', integer)
    .option('-l, --limit <n>', 'number of users (default: all)', count)
    .run(async (context, { skip, limit }) => {
      const { users } = (await context.platform()).auth;
      const all = skip === undefined && limit === undefined;
      await context.out.many(all ? users.list(context.call) : await users.page({ skip, limit }, context.call), VIEW);
    });
  leaf('get <id|name>', 'Show one user').run(async (context, who) =>
    context.out.one(await find(context, who), VIEW.id),
  );
  leaf('update <id|name>', 'Change only the given fields of a user')
    .option('--password <password>', 'a new password')
    .option('--admin', 'give admin rights')
    .option('--no-admin', 'take admin rights away')
    .option('--active', 'allow logins')
    .option('--inactive', 'forbid logins and end all sessions')
    .option('-p, --permission <name>', 'replace the permissions by these', collect)
    .deprecatedOption('--permissions <name>', 'permission', collect)
    .option('--clear-permissions', 'take all permissions away')
    .run(async (context, who, { inactive, ...options }) =>
      update(context, who, inactive ? { ...options, active: false } : options),
    );
  leaf('delete <id|name>', 'Delete a user').option('-y, --yes', 'do not ask for confirmation').run(remove);
  leaf('permissions [list]', 'List the permissions and what they allow').run(permissions);
}
