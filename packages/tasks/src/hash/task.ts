import { hashTask } from '@cl-server/contract';
import { defineTask } from '@cl-server/task-kit';
import { fromContract } from '../from-contract.js';

export default defineTask({
  ...fromContract(hashTask),
  version: '1.0.0',
  outputPath: 'output/hash.json',
  timeout: 1800,
  load: async () => (await import('./run.js')).hash(),
});
