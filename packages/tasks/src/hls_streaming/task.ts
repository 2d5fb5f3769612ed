import fs from 'node:fs/promises';
import { hlsStreamingTask } from '@cl-server/contract';
import { defineTask, TaskRefusal } from '@cl-server/task-kit';
import { fromContract } from '../from-contract.js';
import { inside } from './folders.js';

const isFile = (file: string): Promise<boolean> =>
  fs.stat(file).then(
    (stats) => stats.isFile(),
    () => false,
  );

export default defineTask({
  ...fromContract(hlsStreamingTask),
  version: '1.0.0',
  // The result of a job with absolute paths has empty paths, as existing clients expect; without an absolute folder the
  // stream belongs to the job.
  outputPath: (params) => (params.output_absolute_path === null ? 'output' : ''),
  outputOptional: true, // the result is a folder with several files
  prepare: async (params, { input, mediaDir, streamsDir }) => {
    if (input) return { input_absolute_path: null, output_absolute_path: null };
    const { input_absolute_path: source, output_absolute_path: target } = params;
    if (source === null) throw new TaskRefusal(400, 'Either file or input_absolute_path must be provided');
    const file = await inside(mediaDir, source);
    if (file === undefined)
      throw new TaskRefusal(403, 'input_absolute_path must be in the media folder', 'input_absolute_path');
    if (!(await isFile(file)))
      throw new TaskRefusal(422, 'input_absolute_path does not name a file', 'input_absolute_path');
    if (target !== null && (await inside(streamsDir, target)) === undefined)
      throw new TaskRefusal(403, 'output_absolute_path must be in the streams folder', 'output_absolute_path');
    return { input_path: '' };
  },
  requirements: { tools: ['ffmpeg', 'ffprobe'] },
  // Six hours.
  timeout: 21_600,
  load: async () => (await import('./run.js')).hlsStreaming(),
});
