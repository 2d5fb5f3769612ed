import type { WorkerCapability } from '@cl-server/client';
import type { Command } from 'commander';
import { leafMaker } from '../command.js';
import type { Context } from '../context.js';
import type { View } from '../io/output.js';
import { timeText } from '../views.js';
import type { World } from '../world.js';

const VIEW: View<WorkerCapability> = {
  columns: [
    { title: 'Worker', value: ({ worker_id }) => worker_id, whole: true },
    { title: 'Free', value: ({ idle_count }) => idle_count },
    { title: 'Heard', value: ({ timestamp }) => timeText(timestamp) },
    { title: 'Tasks', value: ({ capabilities }) => capabilities.join(' '), below: true },
    { title: 'Cannot', value: ({ unavailable = {} }) => Object.keys(unavailable).join(' '), below: true },
  ],
  id: ({ worker_id }) => worker_id,
};

/** Prints how many jobs of each task could start now. */
export async function capabilities(context: Context): Promise<void> {
  await context.out.one(await (await context.platform()).compute.workers.capabilities(context.call));
}

export function register(program: Command, world: World): void {
  leafMaker(program, world)('workers', 'List the live workers and what they can run')
    .option('--summary', 'show how many jobs of each task could start now')
    .run(async (context, { summary }) => {
      if (summary) return capabilities(context);
      await context.out.many(await (await context.platform()).compute.workers.list(context.call), VIEW);
    });
}
