import { describe, expect, it } from 'vitest';
import { Batcher } from '../src/index.js';

describe('group commit', () => {
  it('writes together what is asked for together, each caller getting its own results', async () => {
    const batches: number[][] = [];
    const batcher = new Batcher<number, number>(
      async (items) => {
        batches.push([...items]);
        return items.map((item) => item * 10);
      },
      { maxItems: 500 },
    );
    const answers = await Promise.all([batcher.addAll([1, 2]), batcher.addAll([3]), batcher.addAll([])]);
    expect(answers).toEqual([[10, 20], [30], []]);
    expect(batches).toEqual([[1, 2, 3]]);
  });

  it('collects while a batch is being written, up to its greatest size', async () => {
    const batches: number[][] = [];
    let release = (): void => undefined;
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const batcher = new Batcher<number, number>(
      async (items) => {
        batches.push([...items]);
        if (batches.length === 1) await gate;
        return items;
      },
      { maxItems: 3 },
    );
    const first = batcher.addAll([0]);
    await Promise.resolve();
    await Promise.resolve();
    const rest = [1, 2, 3, 4].map((item) => batcher.addAll([item]));
    release();
    await Promise.all([first, ...rest]);
    expect(batches).toEqual([[0], [1, 2, 3], [4]]);
  });

  it('lets a fault hit only the caller whose item it is', async () => {
    const batcher = new Batcher<number, number>(
      async (items) => {
        if (items.includes(13)) throw new Error('unlucky');
        return items;
      },
      { maxItems: 500 },
    );
    const answers = await Promise.allSettled([batcher.addAll([1]), batcher.addAll([13]), batcher.addAll([2])]);
    expect(answers.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  });
});
