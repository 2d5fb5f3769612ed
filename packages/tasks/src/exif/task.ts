import { exifTask } from '@cl-server/contract';
import { defineTask } from '@cl-server/task-kit';
import { fromContract } from '../from-contract.js';

export default defineTask({
  ...fromContract(exifTask),
  version: '1.0.0',
  outputPath: 'output/exif_metadata.json',
  timeout: 120,
  // exiftool takes several files with one command, and handing a file out costs as much as reading it does.
  batch: 64,
  load: async () => (await import('./run.js')).exif(),
});
