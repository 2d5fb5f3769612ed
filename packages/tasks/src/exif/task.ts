import { exifTask } from '@cl-server/contract';
import { defineTask } from '@cl-server/task-kit';
import { fromContract } from '../from-contract.js';

export default defineTask({
  ...fromContract(exifTask),
  version: '1.0.0',
  outputPath: 'output/exif_metadata.json',
  timeout: 120,
  // exiftool reads several files with one command, and assigning a job costs as much as reading its file.
  batch: 64,
  load: async () => (await import('./run.js')).exif(),
});
