/** A thumbnail becomes the preview of its content, so that a grid of videos shows at once. */
import fs from 'node:fs';
import path from 'node:path';
import { mediaThumbnailTask } from '@cl-server/contract';
import { previewFile } from '../../files/preview-file.js';
import { type Collect, readResult } from './collector.js';

export const collectThumbnail: Collect = async (job, { sha256 }, { storage, media }) => {
  const { output_path } = mediaThumbnailTask.output.parse(job.task_output);
  const png = await readResult(storage, job, output_path);
  const target = previewFile(media, sha256);
  return {
    model: '',
    // Within the transaction: the content cannot be freed, and its preview removed, before this one is there.
    store: async () => {
      fs.mkdirSync(path.dirname(target), { recursive: true, mode: 0o750 });
      fs.writeFileSync(`${target}.job`, png);
      fs.renameSync(`${target}.job`, target);
      return [];
    },
  };
};
