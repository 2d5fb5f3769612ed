/** The work of the task `exif`. */
import type { exifTask } from '@cl-server/contract';
import {
  createExifReader,
  type ExifReader,
  exifFields,
  MediaError,
  type RawTags,
  type RecordingFields,
  recordingFields,
} from '@cl-server/media';
import { type TaskContext, TaskError, type TaskModule, TaskUnavailable } from '@cl-server/task-kit';
import type { z } from 'zod';
import { onMedia } from '../media-error.js';

type Contract = typeof exifTask;
type Params = z.output<Contract['form']>;
type Output = z.input<Contract['output']>;

/** Whether exiftool reports that the file is empty. */
const isEmpty = (raw: RawTags): boolean => /file is empty/i.test(String(raw['ExifTool:Error'] ?? raw['Error'] ?? ''));

export function exif(): TaskModule<Params, Output> {
  let reader: ExifReader | undefined;
  let completed: RecordingFields | undefined;

  const read = async (file: string, tags: readonly string[]): Promise<RawTags> => {
    if (!reader) throw new Error('setup has not run');
    try {
      return await reader.read(file, tags);
    } catch (error) {
      if (!(error instanceof MediaError)) throw error;
      // Another attempt may succeed with a restarted exiftool; a file that takes too long will not become faster.
      throw new TaskError(error.code, error.message, { retryable: error.code === 'task_failed', cause: error });
    }
  };

  const run = async ({ files, params, signal }: TaskContext<Params>): Promise<Output> => {
    const { input } = files;
    if (input === undefined) throw new Error('the job has no input');
    const [everything, asked] = await Promise.all([
      read(input, []),
      params.tags.length > 0 ? read(input, params.tags) : undefined,
    ]);
    signal.throwIfAborted();
    const nothing = isEmpty(everything);
    const fields = exifFields(nothing ? {} : everything);
    const complete = completed ? await onMedia(completed(input, fields, signal)) : fields;
    const output = { ...complete, raw_metadata: nothing ? {} : (asked ?? everything) };
    await files.write(params.output_path, JSON.stringify(output, null, 2));
    return output;
  };

  return {
    setup: async (env) => {
      if (reader) return;
      const candidate = createExifReader({ exiftool: env.tools.exiftool });
      try {
        await candidate.version();
      } catch (cause) {
        await candidate.end();
        if (!(cause instanceof MediaError)) throw cause;
        throw new TaskUnavailable('tool_missing', cause.message, { cause });
      }
      reader = candidate;
      completed = recordingFields({ ffprobe: env.tools.ffprobe, maxConcurrent: Math.max(1, env.threads) });
    },
    run,
    runBatch: (contexts) => Promise.allSettled(contexts.map(run)),
    teardown: async () => {
      await reader?.end();
      reader = undefined;
    },
  };
}
