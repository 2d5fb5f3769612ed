import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { defineTask, field, invalidInput, TaskRefusal, z } from '../src/index.js';
import { runTask } from '../src/testing.js';

const upper = defineTask({
  type: 'upper',
  version: '1',
  summary: 'Upper-cases a text',
  params: z.object({ suffix: field.text().default('!'), forbid: field.text().optional() }),
  output: z.object({ length: z.int() }),
  outputPath: 'output/upper.txt',
  prepare: ({ suffix }) => {
    if (suffix === 'refuse') throw new TaskRefusal(422, 'no such suffix', 'suffix');
    return { suffix: suffix.repeat(2) };
  },
  load: async () => ({
    run: async ({ params, files, progress, scratch }) => {
      const text = fs.readFileSync(files.input ?? '', 'utf8');
      if (text === '') throw invalidInput('the file is empty');
      if (params.forbid !== undefined) await files.write(params.forbid, 'x');
      fs.writeFileSync(path.join(scratch, 'draft'), text);
      progress(50.9, 'half');
      progress(20);
      progress(Number.NaN);
      progress(150);
      await files.write(params.output_path, text.toUpperCase() + params.suffix);
      return { length: text === 'wrong' ? (1.5 as number) : text.length };
    },
  }),
});

describe('the test kit', () => {
  it('runs a task on a file, returns output, files and progress, and leaves nothing behind', async () => {
    let folder: string;
    {
      using run = await runTask(upper, { file: { name: 'a.txt', content: 'abc' }, params: { suffix: '?' } });
      expect(run.output).toEqual({ length: 3 });
      expect(run.files).toEqual(['output/upper.txt']);
      expect(run.read('output/upper.txt').toString()).toBe('ABC??');
      expect(run.params).toEqual({ input_path: 'input/a.txt', output_path: 'output/upper.txt', suffix: '??' });
      expect(run.progress).toEqual([
        { percent: 50, message: 'half' },
        { percent: 100, message: undefined },
      ]);
      folder = path.dirname(path.dirname(run.path('output/upper.txt')));
    }
    expect(fs.existsSync(folder)).toBe(false);
  });

  it('fails like a job: refusals, bad fields, bad input, bad output', async () => {
    const file = { name: 'a.txt', content: 'abc' };
    await expect(runTask(upper, {})).rejects.toThrow('needs a file');
    await expect(runTask(upper, { file, params: { suffix: 'refuse' } })).rejects.toThrow(TaskRefusal);
    await expect(runTask(upper, { file: { ...file, content: '' } })).rejects.toMatchObject({ code: 'invalid_input' });
    await expect(runTask(upper, { file: { ...file, content: 'wrong' } })).rejects.toThrow(/int/);
  });

  it('keeps results inside the job', async () => {
    for (const forbid of ['../out', '/etc/x', 'input/a.txt', 'a//b', 'a\\..\\..\\b'])
      await expect(
        runTask(upper, { file: { name: 'a.txt', content: 'abc' }, params: { forbid } }),
        forbid,
      ).rejects.toThrow('inside the job');
  });
});
