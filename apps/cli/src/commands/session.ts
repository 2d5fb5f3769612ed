import type { Session } from '@cl-server/client';
import type { Command } from 'commander';
import { group, leafMaker } from '../command.js';
import type { Context } from '../context.js';
import { CliError, EXIT } from '../exit-codes.js';
import type { View } from '../io/output.js';
import { timeText } from '../views.js';
import type { World } from '../world.js';

const VIEW: View<Session> = {
  columns: [
    { title: 'Id', value: ({ id }) => id },
    { title: 'Device', value: ({ device }) => device },
    { title: 'Address', value: ({ address }) => address },
    { title: 'Last used', value: ({ last_used_at }) => timeText(last_used_at) },
    { title: 'Ends', value: ({ expires_at }) => timeText(expires_at) },
    { title: 'Current', value: ({ current }) => (current ? 'yes' : '') },
  ],
  id: ({ id }) => id,
};

const sessionsOf = async (context: Context) => (await context.platform()).auth.sessions;

interface RevokeOptions {
  readonly all?: boolean;
  readonly others?: boolean;
}

async function revoke(context: Context, id: string | undefined, { all, others }: RevokeOptions): Promise<void> {
  const choices = [id !== undefined, all === true, others === true].filter(Boolean).length;
  if (choices !== 1) throw new CliError('Give the id of one session, or --others, or --all', EXIT.usage);
  const sessions = await sessionsOf(context);
  if (id !== undefined) await sessions.end(id, context.call);
  else await sessions.endAll({ keepCurrent: others === true }, context.call);
  context.out.success(
    id !== undefined ? `Session ${id} has ended` : others ? 'All other sessions have ended' : 'All sessions have ended',
  );
}

export function register(program: Command, world: World): void {
  const leaf = leafMaker(group(program, 'session', 'Your own sessions on all devices'), world);
  leaf('list', 'List your sessions, the last used first').run(async (context) =>
    context.out.many(await (await sessionsOf(context)).list(context.call), VIEW),
  );
  leaf('revoke [id]', 'End one session, or several')
    .option('--others', 'end all sessions except the current one')
    .option('--all', 'end all sessions')
    .run(revoke);
}
