import { describe, expect, it } from 'vitest';
import { Batcher } from '../src/index.js';

describe('group commit', () => {
  it('processes concurrent items in one batch, and gives each caller its own results', async () => {
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

  it('collects items while a batch is processed, up to the maximum size', async () => {
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

  it('reports a failure only to the caller of the faulty item', async () => {
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
