// The definition: the fields that clients send and the output that they get. The services load this file. The work is in
// run.ts, which only the process of the task loads, so heavy libraries belong there.
import type { PluginKit } from '@cl-server/task-kit';

export default ({ defineTask, field, z, invalidInput }: PluginKit) =>
  defineTask({
    type: 'word_count',
    version: '0.1.0',
    summary: 'Counts the words of a text file',
    params: z.object({
      min_length: field.int({ ge: 1, le: 100 }).default(1).describe('Shorter words are not counted'),
    }),
    output: z.object({ words: z.int(), longest: z.string().nullable() }),
    outputPath: 'output/words.json',
    timeout: 60,
    load: async () => (await import('./run.ts')).wordCount({ invalidInput }),
  });
