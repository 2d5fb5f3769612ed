import { clipEmbeddingTask } from '@cl-server/contract';
import { defineTask } from '@cl-server/task-kit';
import { fromContract } from '../from-contract.js';

export default defineTask({
  ...fromContract(clipEmbeddingTask),
  version: '1.0.0',
  outputPath: 'output/clip_embedding.npy',
  requirements: { models: ['clip-vit-b32-image'] },
  timeout: 300,
  batch: 8,
  process: 'models',
  load: async () => (await import('./run.js')).clipEmbedding(),
});
