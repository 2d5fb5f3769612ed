import path from 'node:path';
import { imageConversionTask } from '@cl-server/contract';
import { defineTask } from '@cl-server/task-kit';
import { fromContract } from '../from-contract.js';

export default defineTask({
  ...fromContract(imageConversionTask),
  version: '1.0.0',
  outputPath: ({ format }, input) =>
    `output/converted_${path.parse(input?.name ?? 'image').name}.${format === 'jpeg' ? 'jpg' : format}`,
  timeout: 600,
  load: async () => (await import('./run.js')).imageConversion(),
});
