import { mediaThumbnailTask } from '@cl-server/contract';
import { defineTask } from '@cl-server/task-kit';
import { fromContract } from '../from-contract.js';

export default defineTask({
  ...fromContract(mediaThumbnailTask),
  version: '1.0.0',
  outputPath: ({ format }) => `output/thumbnail.${format}`,
  timeout: 600,
  load: async () => (await import('./run.js')).mediaThumbnail(),
});
