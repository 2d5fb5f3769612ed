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

/** A command that prints what one call gives. */
type Ask = (context: Context) => Promise<unknown>;
const prints = (ask: Ask) => async (context: Context) => context.out.one(await ask(context));

interface CareOptions {
  readonly yes?: boolean;
  readonly days?: number;
}

function registerStore(admin: Command, world: World): void {
  const of = async (context: Context) => (await context.platform()).store.admin;
  const leaf = leafMaker(group(admin, 'store', 'The store'), world);
  leaf('config', 'Preferences').does<[], object>(prints(async (c) => (await of(c)).preferences(c.call)));
  leaf('get-guest-mode', 'Whether anyone may read').does<[], object>(
    prints(async (c) => ({ guest_mode: (await (await of(c)).preferences(c.call)).guest_mode })),
  );
  leaf('set-guest-mode <on|off>', 'Let anyone read, or only users with the right')
    .suggest(ON_OFF)
    .does<[string], object>(async (context, word) =>
      context.out.one(await (await of(context)).setGuestMode(onOff(word), context.call)),
    );
  leaf('audit-report', 'Compare database and media folder')
    .option('--verify', 'read every file; slow')
    .does<[], { readonly verify?: boolean }>(async (context, { verify = false }) =>
      context.out.one(await (await of(context)).audit({ ...context.call, verify })),
    );
  leaf('clear-orphans', 'Set files aside that no entity refers to, and remove other leftovers')
    .option('-y, --yes', 'do not ask')
    .option('--many', 'also if more than a tenth of all files is concerned')
    .does<[], CareOptions & { readonly many?: boolean }>(async (context, { yes = false, many = false }) => {
      await confirmed(world, 'Set aside every file that no entity refers to?', yes);
      await context.out.one(await (await of(context)).clearOrphans({ ...context.call, confirm: many }));
    });
  leaf('purge-trash', 'Remove for good what was deleted some days ago')
    .option('--days <n>', 'at least so many (default: 30)', integer)
    .option('-y, --yes', 'do not ask')
    .does<[], CareOptions>(async (context, { yes = false, days = 30 }) => {
      await confirmed(world, `Remove for good what was deleted ${days} days ago or earlier?`, yes);
      await context.out.one(await (await of(context)).purgeTrash(days, context.call));
    });
  leaf('storage', 'How much is kept, and for whom').does<[], object>(
    prints(async (c) => (await of(c)).storage(c.call)),
  );
  leaf('insight', 'What the insight worker is doing').does<[], object>(
    prints(async (c) => (await c.platform()).store.intelligence.status(c.call)),
  );
}

function registerCompute(admin: Command, world: World): void {
  const of = async (context: Context) => (await context.platform()).compute.admin;
  const compute = group(admin, 'compute', 'Compute');
  const leaf = leafMaker(compute, world);
  leaf('capabilities', 'How many jobs of each task could start now').does<[], object>(capabilities);
  leaf('config', 'Preferences').does<[], object>(prints(async (c) => (await of(c)).preferences(c.call)));
  const guest = leafMaker(group(compute, 'guest-mode', 'Whether anyone may create jobs'), world);
  guest('get', 'Show it').does<[], object>(
    prints(async (c) => ({ guest_mode: await (await of(c)).guestMode(c.call) })),
  );
  guest('set <on|off>', 'Change it')
    .suggest(ON_OFF)
    .does<[string], object>(async (context, word) =>
      context.out.one(await (await of(context)).setGuestMode(onOff(word), context.call)),
    );
  leaf('get-guest-mode', 'The same as guest-mode get').does<[], object>(
    prints(async (c) => ({ guest_mode: await (await of(c)).guestMode(c.call) })),
  );
  leaf('set-guest-mode <on|off>', 'The same as guest-mode set')
    .suggest(ON_OFF)
    .does<[string], object>(async (context, word) =>
      context.out.one(await (await of(context)).setGuestMode(onOff(word), context.call)),
    );
  leaf('storage', 'Bytes of all job files').does<[], object>(prints(async (c) => (await of(c)).storageSize(c.call)));
  leaf('cleanup', 'Remove jobs that ended some days ago')
    .option('--days <n>', 'at least so many (default: 7)', integer)
    .option('-y, --yes', 'do not ask')
    .does<[], CareOptions>(async (context, { yes = false, days = 7 }) => {
      await confirmed(world, `Remove jobs that ended ${days} days ago or earlier?`, yes);
      await context.out.one(await (await of(context)).cleanup(days, context.call));
    });
}

function registerAuth(admin: Command, world: World): void {
  const of = async (context: Context) => (await context.platform()).auth;
  const leaf = leafMaker(group(admin, 'auth', 'The auth service'), world);
  leaf('public-key', 'The key that verifies tokens').does<[], object>(
    prints(async (c) => (await of(c)).publicKey(c.call)),
  );
  leaf('keys', 'Every key whose tokens are accepted').does<[], object>(
    prints(async (c) => (await of(c)).keySet(c.call)),
  );
  leaf('revocations', 'Users whose older tokens died; needs the services’ own credential as --token')
    .option('--since <n>', 'after this position', integer)
    .does<[], { readonly since?: number }>(async (context, { since }) =>
      context.out.one(await (await of(context)).revocations(since, context.call)),
    );
  leaf('audit', 'Security-relevant changes, the newest first')
    .option('--action <action>', 'only this, e.g. user.created')
    .option('--user <id>', 'only by or to this user', integer)
    .option('-l, --limit <n>', 'how many (default: 50)', count)
    .does<[], { readonly action?: AuditAction; readonly user?: number; readonly limit?: number }>(
      async (context, { action, user, limit = 50 }) => {
        const filters = { ...(action && { action }), ...(user !== undefined && { user_id: user }) };
        const rows: AuditEntry[] = [];
        for await (const row of (await of(context)).audit(filters, context.call)) {
          if (rows.length >= limit) break;
          rows.push(row);
        }
        await context.out.many(rows, {
          columns: [
            { title: 'When', value: ({ timestamp }) => timeText(timestamp) },
            { title: 'What', value: (entry) => entry.action },
            { title: 'By', value: ({ actor }) => actor },
            { title: 'To', value: ({ target }) => target },
            { title: 'From', value: ({ address }) => address },
            { title: 'Details', value: ({ details }) => details },
          ],
          id: ({ id }) => id,
        });
      },
    );
}

export function register(program: Command, world: World): void {
  const admin = group(program, 'admin', 'For admins: users, preferences, storage');
  registerUsers(admin, world);
  registerStore(admin, world);
  registerCompute(admin, world);
  registerAuth(admin, world);
  leafMaker(admin, world)('metrics <service>', 'Metrics of auth, store or compute')
    .suggest(SERVICES)
    .does<[string], object>(async (context, service) => {
      const platform = await context.platform();
      if (!isService(service)) throw new CliError(`It should be auth, store or compute: ${service}`, EXIT.usage);
      context.out.write(await platform[service].system.metrics(context.call));
    });
}
