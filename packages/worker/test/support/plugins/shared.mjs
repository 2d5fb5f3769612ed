/** Jobs of this task share one process; each output has the size of its batch. */
import { setTimeout as pause } from 'node:timers/promises';

export default ({ defineTask, field, z }) =>
  defineTask({
    type: 'shared',
    version: '1',
    summary: 'Shares a process',
    file: 'none',
    process: 'shared',
    batch: 4,
    params: z.object({ crash: field.bool().default(false), ms: field.int().default(0) }),
    output: z.object({ pid: z.int(), size: z.int() }),
    load: async () => {
      const one = async ({ params }, size) => {
        await pause(params.ms);
        if (params.crash) process.kill(process.pid, 'SIGSEGV');
        return { pid: process.pid, size };
      };
      return {
        run: (ctx) => one(ctx, 1),
        runBatch: (contexts) => Promise.allSettled(contexts.map((ctx) => one(ctx, contexts.length))),
      };
    },
  });
