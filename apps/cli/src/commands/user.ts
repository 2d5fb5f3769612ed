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

/** A user by id, or by name. */
async function find(context: Context, who: string): Promise<User> {
  const { users } = (await context.platform()).auth;
  if (/^\d+$/.test(who)) return users.get(Number(who), context.call);
  const user = await users.find(who, context.call);
  if (!user) throw new CliError(`There is no user ${who}`, EXIT.notFound);
  return user;
}

async function create(
  context: Context,
  username: string,
  given: string | undefined,
  options: UserOptions,
): Promise<void> {
  const { world } = context;
  const said = given ?? options.password;
  if (said === undefined && !world.stdin.isTTY) throw new CliError('Give a password', EXIT.usage);
  const password = said ?? (await askPassword(world, `Password of ${username}`));
  const { users } = (await context.platform()).auth;
  const user = { username, password, is_admin: options.admin ?? false, permissions: options.permission ?? [] };
  await context.out.one(await users.create(user, context.call), VIEW.id);
}

async function update(context: Context, who: string, options: UserOptions): Promise<void> {
  const { id } = await find(context, who);
  const change = {
    password: options.password,
    is_admin: options.admin,
    is_active: options.active,
    permissions: options.clearPermissions ? [] : options.permission,
  };
  if (Object.values(change).every((value) => value === undefined))
    throw new CliError('Nothing to change was given', EXIT.usage);
  const { users } = (await context.platform()).auth;
  await context.out.one(await users.update(id, change, context.call), VIEW.id);
}

async function remove(context: Context, who: string, options: UserOptions): Promise<void> {
  const user = await find(context, who);
  await confirmed(context.world, `Remove the user ${user.username}?`, options.yes ?? false);
  await (await context.platform()).auth.users.delete(user.id, context.call);
  context.out.success(`Removed ${user.username}`);
}

/** The permissions that the services check; auth keeps any other word too. */
async function permissions(context: Context): Promise<void> {
  const { PERMISSIONS } = await import('@cl-server/client');
  const rows = [
    { permission: PERMISSIONS.storeRead, allows: 'reading from the store, where reading is not open to all' },
    { permission: PERMISSIONS.storeWrite, allows: 'adding, changing and removing entities' },
    { permission: PERMISSIONS.compute, allows: 'creating and watching jobs' },
    { permission: PERMISSIONS.jobPriority, allows: 'priorities above 5 for the own jobs; without it they count as 5' },
  ];
  const columns = [
    { title: 'Permission', value: (row: (typeof rows)[number]) => row.permission },
    { title: 'Allows', value: (row: (typeof rows)[number]) => row.allows },
  ];
  await context.out.many(rows, { columns, id: ({ permission }) => permission });
}

/** Adds `user …` to the program, and under `admin`, where it was before. */
export function register(parent: Command, world: World): void {
  const users = group(parent, 'user', 'Users, for admins');
  const leaf = leafMaker(users, world);
  leaf('create <username> [password]', 'Add a user')
    .option('--password <password>', 'the password')
    .option('--admin', 'make an admin')
    .option('-p, --permission <name>', 'give a permission; many times, or a comma list', collect)
    .formerly('--permissions <name>', 'permission', collect)
    .does(create);
  leaf('list', 'All users')
    .option('--skip <n>', 'pass over so many', integer)
    .option('-l, --limit <n>', 'how many (default: all)', count)
    .does<[], { readonly skip?: number; readonly limit?: number }>(async (context, { skip, limit }) => {
      const { users } = (await context.platform()).auth;
      const all = skip === undefined && limit === undefined;
      await context.out.many(all ? users.list(context.call) : await users.page({ skip, limit }, context.call), VIEW);
    });
  leaf('get <id|name>', 'One user').does<[string], object>(async (context, who) =>
    context.out.one(await find(context, who), VIEW.id),
  );
  leaf('update <id|name>', 'Change a user; what is not given stays')
    .option('--password <password>', 'a new password')
    .option('--admin', 'make an admin')
    .option('--no-admin', 'make no admin')
    .option('--active', 'let log in')
    .option('--inactive', 'let log in no more')
    .option('-p, --permission <name>', 'exactly these permissions', collect)
    .formerly('--permissions <name>', 'permission', collect)
    .option('--clear-permissions', 'take all permissions away')
    .does<[string], UserOptions & { readonly inactive?: boolean }>(async (context, who, { inactive, ...options }) =>
      update(context, who, inactive ? { ...options, active: false } : options),
    );
  leaf('delete <id|name>', 'Remove a user').option('-y, --yes', 'do not ask').does(remove);
  leaf('permissions [list]', 'What the permissions mean').does<[string | undefined], object>(permissions);
}
