import type { AuditAction, AuditEntry } from '@cl-server/client';
import type { Command } from 'commander';
import { count, group, integer, leafMaker, ON_OFF, onOff } from '../command.js';
import type { Context } from '../context.js';
import { CliError, EXIT } from '../exit-codes.js';
import { confirmed } from '../io/prompt.js';
import { timeText } from '../views.js';
import type { World } from '../world.js';
import { register as registerUsers } from './user.js';
import { capabilities } from './workers.js';

const SERVICES = ['auth', 'store', 'compute'] as const;
const isService = (word: string): word is (typeof SERVICES)[number] => (SERVICES as readonly string[]).includes(word);

/** An action that prints the result of one call. */
type Ask = (context: Context) => Promise<unknown>;
const prints = (ask: Ask) => async (context: Context) => context.out.one(await ask(context));

function registerStore(admin: Command, world: World): void {
  const of = async (context: Context) => (await context.platform()).store.admin;
  const leaf = leafMaker(group(admin, 'store', 'The store service'), world);
  leaf('config', 'Show the settings').run(prints(async (c) => (await of(c)).preferences(c.call)));
  leaf('get-guest-mode', 'Show whether reading needs no login').run(
    prints(async (c) => ({ guest_mode: (await (await of(c)).preferences(c.call)).guest_mode })),
  );
  leaf('set-guest-mode <on|off>', 'Allow or forbid reading without a login')
    .suggest(ON_OFF)
    .run(async (context, word) => context.out.one(await (await of(context)).setGuestMode(onOff(word), context.call)));
  leaf('audit-report', 'Compare the database with the media folder')
    .option('--verify', 'also verify the content of every file (slow)')
    .run(async (context, { verify = false }) =>
      context.out.one(await (await of(context)).audit({ ...context.call, verify })),
    );
  leaf('clear-orphans', 'Move unreferenced files aside and remove other leftovers')
    .option('-y, --yes', 'do not ask for confirmation')
    .option('--many', 'proceed even if this affects more than 10% of all files')
    .run(async (context, { yes = false, many = false }) => {
      await confirmed(world, 'Move every file aside that no entity refers to?', yes);
      await context.out.one(await (await of(context)).clearOrphans({ ...context.call, confirm: many }));
    });
  leaf('purge-trash', 'Permanently delete old entities in the trash')
    .option('--days <n>', 'days in the trash (default: 30)', integer)
    .option('-y, --yes', 'do not ask for confirmation')
    .run(async (context, { yes = false, days = 30 }) => {
      await confirmed(world, `Permanently delete what has been in the trash for ${days} days or longer?`, yes);
      await context.out.one(await (await of(context)).purgeTrash(days, context.call));
    });
  leaf('storage', 'Show the used storage by kind and user').run(prints(async (c) => (await of(c)).storage(c.call)));
  leaf('insight', 'Show the state of the insight worker').run(
    prints(async (c) => (await c.platform()).store.intelligence.status(c.call)),
  );
}

function registerCompute(admin: Command, world: World): void {
  const of = async (context: Context) => (await context.platform()).compute.admin;
  const compute = group(admin, 'compute', 'The compute service');
  const leaf = leafMaker(compute, world);
  leaf('capabilities', 'Show how many jobs of each task could start now').run(capabilities);
  leaf('config', 'Show the settings').run(prints(async (c) => (await of(c)).preferences(c.call)));
  const guest = leafMaker(group(compute, 'guest-mode', 'Whether creating jobs needs no login'), world);
  guest('get', 'Show the setting').run(prints(async (c) => ({ guest_mode: await (await of(c)).guestMode(c.call) })));
  guest('set <on|off>', 'Change the setting')
    .suggest(ON_OFF)
    .run(async (context, word) => context.out.one(await (await of(context)).setGuestMode(onOff(word), context.call)));
  leaf('get-guest-mode', 'Same as guest-mode get').run(
    prints(async (c) => ({ guest_mode: await (await of(c)).guestMode(c.call) })),
  );
  leaf('set-guest-mode <on|off>', 'Same as guest-mode set')
    .suggest(ON_OFF)
    .run(async (context, word) => context.out.one(await (await of(context)).setGuestMode(onOff(word), context.call)));
  leaf('storage', 'Show the size of all job files in bytes').run(
    prints(async (c) => (await of(c)).storageSize(c.call)),
  );
  leaf('cleanup', 'Delete old jobs that have ended')
    .option('--days <n>', 'days since the end of a job (default: 7)', integer)
    .option('-y, --yes', 'do not ask for confirmation')
    .run(async (context, { yes = false, days = 7 }) => {
      await confirmed(world, `Delete jobs that ended ${days} days ago or earlier?`, yes);
      await context.out.one(await (await of(context)).cleanup(days, context.call));
    });
}

function registerAuth(admin: Command, world: World): void {
  const of = async (context: Context) => (await context.platform()).auth;
  const leaf = leafMaker(group(admin, 'auth', 'The auth service'), world);
  leaf('public-key', 'Show the current public key').run(prints(async (c) => (await of(c)).publicKey(c.call)));
  leaf('keys', 'Show every public key whose tokens are accepted').run(
    prints(async (c) => (await of(c)).keySet(c.call)),
  );
  leaf('revocations', 'List revoked tokens; needs the service credential as --token')
    .option('--since <n>', 'start after this position', integer)
    .run(async (context, { since }) => context.out.one(await (await of(context)).revocations(since, context.call)));
  leaf('audit', 'List security-relevant changes, newest first')
    // The service checks the word.
    .option('--action <action>', 'only this action, e.g. user.created', (word) => word as AuditAction)
    .option('--user <id>', 'only changes by or to this user id', integer)
    .option('-l, --limit <n>', 'number of entries (default: 50)', count)
    .run(async (context, { action, user, limit = 50 }) => {
      const filters = { ...(action && { action }), ...(user !== undefined && { user_id: user }) };
      const rows: AuditEntry[] = [];
      for await (const row of (await of(context)).audit(filters, context.call)) {
        if (rows.length >= limit) break;
        rows.push(row);
      }
      await context.out.many(rows, {
        columns: [
          { title: 'When', value: ({ timestamp }) => timeText(timestamp), whole: true },
          { title: 'What', value: (entry) => entry.action },
          { title: 'By', value: ({ actor }) => actor },
          { title: 'To', value: ({ target }) => target },
          { title: 'From', value: ({ address }) => address },
          { title: 'Details', value: ({ details }) => details, below: true },
        ],
        id: ({ id }) => id,
      });
    });
}

export function register(program: Command, world: World): void {
  const admin = group(program, 'admin', 'Administration: users, settings, storage');
  registerUsers(admin, world);
  registerStore(admin, world);
  registerCompute(admin, world);
  registerAuth(admin, world);
  leafMaker(admin, world)('metrics <service>', 'Show the metrics of auth, store or compute')
    .suggest(SERVICES)
    .run(async (context, service) => {
      const platform = await context.platform();
      if (!isService(service)) throw new CliError(`Unknown service ${service}: use auth, store or compute`, EXIT.usage);
      context.out.write(await platform[service].system.metrics(context.call));
    });
}
