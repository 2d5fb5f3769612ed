/** Looks at the machine once per worker, and keeps as much memory as its job says. */
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

const kept = [];

export default ({ defineTask, field, z }) =>
  defineTask({
    type: 'looker',
    version: '1',
    summary: 'Looks once',
    file: 'none',
    params: z.object({ ms: field.int().default(0), keep: field.int().default(0) }),
    output: z.object({ pid: z.int(), seen: z.int() }),
    load: async () => {
      let seen = 0;
      return {
        setup: async ({ once, modelsDir }) => {
          seen = await once('what there is to see', async () => {
            fs.appendFileSync(path.join(modelsDir, 'looks'), 'x');
            return 42;
          });
        },
        run: async ({ params }) => {
          await pause(params.ms);
          if (params.keep > 0) kept.push(Buffer.alloc(params.keep, 1));
          return { pid: process.pid, seen };
        },
      };
    },
  });
