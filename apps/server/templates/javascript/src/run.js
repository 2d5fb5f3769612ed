import fs from 'node:fs';
import { createInterface } from 'node:readline';

/** The module of the task. The kit's errors are passed in, because a plugin cannot import them. */
export const wordCount = ({ invalidInput }) => ({
  /** Called once in each process before the first job; throws `TaskUnavailable` if the task cannot run. */
  async setup({ logger }) {
    logger.debug('word_count is ready');
  },

  /** Runs one job. The returned value becomes `task_output`; clients can download the files that it writes. */
  async run({ files, params, progress, signal }) {
    const { size } = await fs.promises.stat(files.input);
    const counts = new Map();
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
    const longest = [...counts.keys()].reduce((a, b) => (b.length > (a?.length ?? 0) ? b : a), null);
    return { words, longest };
  },
});
