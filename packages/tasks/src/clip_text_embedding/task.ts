import { clipTextEmbeddingTask } from '@cl-server/contract';
import { defineTask } from '@cl-server/task-kit';
import { fromContract } from '../from-contract.js';

export default defineTask({
  ...fromContract(clipTextEmbeddingTask),
  version: '1.0.0',
  outputPath: 'output/clip_text_embedding.npy',
  requirements: { models: ['clip-vit-b32-text', 'clip-tokenizer'] },
  timeout: 60,
  process: 'models',
  load: async () => (await import('./run.js')).clipTextEmbedding(),
});
