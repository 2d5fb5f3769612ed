import fs from 'node:fs';
import { createInterface } from 'node:readline';
import type { PluginKit, TaskModule } from '@cl-server/task-kit';

interface Params {
  readonly min_length: number;
}
interface Output {
  readonly words: number;
  readonly longest: string | null;
}

/** The module of the task. The kit's errors are passed in, because a plugin cannot import them. */
export const wordCount = ({ invalidInput }: Pick<PluginKit, 'invalidInput'>): TaskModule<Params, Output> => ({
  /** Called once in each process before the first job; throws `TaskUnavailable` if the task cannot run. */
  async setup({ logger }) {
    logger.debug('word_count is ready');
  },

  /** Runs one job. The returned value becomes `task_output`; clients can download the files that it writes. */
  async run({ files, params, progress, signal }) {
    if (files.input === undefined) throw invalidInput('The job has no file');
    const { size } = await fs.promises.stat(files.input);
    const counts = new Map<string, number>();
    let read = 0;
    // The file is read line by line, so memory use is constant. The signal ends the stream on cancellation and timeout.
    const lines = createInterface({ input: fs.createReadStream(files.input, { encoding: 'utf8', signal }) });
    for await (const line of lines) {
      if (line.includes('\0')) throw invalidInput('The file is not a text');
      for (const word of line.toLowerCase().match(/\p{L}+/gu) ?? [])
        if (word.length >= params.min_length) counts.set(word, (counts.get(word) ?? 0) + 1);
      read += Buffer.byteLength(line) + 1;
      progress((100 * read) / size);
    }
    await files.write(params.output_path, JSON.stringify(Object.fromEntries(counts)));
    const words = [...counts.values()].reduce((sum, count) => sum + count, 0);
    const longest = [...counts.keys()].reduce<string | null>((a, b) => (b.length > (a?.length ?? 0) ? b : a), null);
    return { words, longest };
  },
});
