import { faceDetectionTask } from '@cl-server/contract';
import { defineTask } from '@cl-server/task-kit';
import { fromContract } from '../from-contract.js';

export default defineTask({
  ...fromContract(faceDetectionTask),
  version: '1.0.0',
  requirements: { models: ['yunet-2026may'] },
  timeout: 300,
  batch: 4,
  process: 'models',
  load: async () => (await import('./run.js')).faceDetection(),
});
