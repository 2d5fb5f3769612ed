import { dinoEmbeddingTask as contract } from '@cl-server/contract';
import { defineTask } from '@cl-server/task-kit';

export default defineTask({
  type: contract.type,
  version: '1.0.0',
  summary: contract.summary,
  params: contract.form,
  output: contract.output,
  file: contract.file,
  outputPath: 'output/dino_embedding.npy',
  requirements: { models: ['dinov2-vits14'] },
  timeout: 300,
  batch: 4,
  process: 'models',
  load: async () => (await import('./run.js')).dinoEmbedding(),
});
