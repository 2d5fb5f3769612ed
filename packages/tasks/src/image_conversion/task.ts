import path from 'node:path';
import { imageConversionTask as contract } from '@cl-server/contract';
import { defineTask } from '@cl-server/task-kit';

export default defineTask({
  type: contract.type,
  version: '1.0.0',
  summary: contract.summary,
  params: contract.form,
  output: contract.output,
  file: contract.file,
  outputPath: ({ format }, input) =>
    `output/converted_${path.parse(input?.name ?? 'image').name}.${format === 'jpeg' ? 'jpg' : format}`,
  timeout: 600,
  load: async () => (await import('./run.js')).imageConversion(),
});
