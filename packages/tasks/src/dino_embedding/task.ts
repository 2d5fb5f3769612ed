import { dinoEmbeddingTask } from '@cl-server/contract';
import { defineTask } from '@cl-server/task-kit';
import { fromContract } from '../from-contract.js';

export default defineTask({
  ...fromContract(dinoEmbeddingTask),
  version: '1.0.0',
  outputPath: 'output/dino_embedding.npy',
  requirements: { models: ['dinov2-vits14'] },
  timeout: 300,
  batch: 4,
  process: 'models',
  load: async () => (await import('./run.js')).dinoEmbedding(),
});
