import { faceEmbeddingTask } from '@cl-server/contract';
import { defineTask } from '@cl-server/task-kit';
import { fromContract } from '../from-contract.js';

export default defineTask({
  ...fromContract(faceEmbeddingTask),
  version: '1.0.0',
  outputPath: 'output/face_embedding.npy',
  outputOptional: true, // a photo without a face has no embedding
  requirements: { models: ['auraface-v1', 'yunet-2026may'] },
  timeout: 300,
  batch: 8,
  process: 'models',
  load: async () => (await import('./run.js')).faceEmbedding(),
});
