import { clipTextEmbeddingTask as contract } from '@cl-server/contract';
import { defineTask } from '@cl-server/task-kit';

export default defineTask({
  type: contract.type,
  version: '1.0.0',
  summary: contract.summary,
  params: contract.form,
  output: contract.output,
  file: contract.file,
  outputPath: 'output/clip_text_embedding.npy',
  requirements: { models: ['clip-vit-b32-text', 'clip-tokenizer'] },
  timeout: 60,
  process: 'models',
  load: async () => (await import('./run.js')).clipTextEmbedding(),
});
