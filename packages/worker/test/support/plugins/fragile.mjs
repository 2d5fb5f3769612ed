/** Cannot be set up until a file of that name lies in the models folder. */
import fs from 'node:fs';
import path from 'node:path';

export default ({ defineTask, z, TaskUnavailable }) =>
  defineTask({
    type: 'fragile',
    version: '1',
    summary: 'Wants a model',
    file: 'none',
    params: z.object({}),
    output: z.object({ ok: z.boolean() }),
    load: async () => ({
      setup: async ({ modelsDir }) => {
        if (!fs.existsSync(path.join(modelsDir, 'fragile.onnx')))
          throw new TaskUnavailable('model_missing', 'fragile.onnx is missing: put it into MODELS_DIR');
      },
      run: async () => ({ ok: true }),
    }),
  });
