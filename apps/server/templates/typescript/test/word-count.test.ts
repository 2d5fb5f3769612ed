import assert from 'node:assert/strict';
import test from 'node:test';
import { runTask } from '@cl-server/task-kit/testing';
import wordCount from '../src/word-count.ts';

test('counts words, and writes how often each one occurs', async () => {
  const run = await runTask(wordCount, {
    file: { name: 'poem.txt', content: 'The rose is a rose\nis a rose' },
    params: { min_length: 2 },
  });
  try {
    assert.deepEqual(run.output, { words: 6, longest: 'rose' });
    assert.deepEqual(JSON.parse(run.read('output/words.json').toString()), { the: 1, rose: 3, is: 2 });
    assert.equal(run.progress.at(-1)?.percent, 100);
  } finally {
    run.remove();
  }
});

test('refuses a file that is not a text', async () => {
  const file = { name: 'photo.jpg', content: new Uint8Array([0xff, 0xd8, 0, 0]) };
  await assert.rejects(runTask(wordCount, { file }), { code: 'invalid_input' });
});
