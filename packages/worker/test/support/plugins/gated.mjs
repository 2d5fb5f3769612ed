/** Cannot be set up while a file named "closed" lies in the folder of streams. */
import fs from 'node:fs';
import path from 'node:path';

export default ({ defineTask, z }) =>
  defineTask({
    type: 'gated',
    version: '1',
    summary: 'Wants an open gate',
    file: 'none',
    params: z.object({}),
    output: z.object({ ok: z.boolean() }),
    load: async () => ({
      setup: async ({ streamsDir }) => {
        if (fs.existsSync(path.join(streamsDir, 'closed'))) throw new Error('the gate is closed');
      },
      run: async () => ({ ok: true }),
    }),
  });
