import { exifTask as contract } from '@cl-server/contract';
import { defineTask } from '@cl-server/task-kit';

export default defineTask({
  type: contract.type,
  version: '1.0.0',
  summary: contract.summary,
  params: contract.form,
  output: contract.output,
  file: contract.file,
  outputPath: 'output/exif_metadata.json',
  timeout: 120,
  // exiftool takes several files with one command.
  batch: 16,
  load: async () => (await import('./run.js')).exif(),
});
