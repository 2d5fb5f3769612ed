import { describe, expect, it } from 'vitest';
import { Coalescer } from '../src/repository/coalescer.js';

describe('group commit', () => {
  it('writes together what is asked for together, each caller getting its own results', async () => {
    const batches: number[][] = [];
    const coalescer = new Coalescer<number, number>(async (items) => {
      batches.push([...items]);
      return items.map((item) => item * 10);
    });
    const answers = await Promise.all([coalescer.submit([1, 2]), coalescer.submit([3]), coalescer.submit([])]);
    expect(answers).toEqual([[10, 20], [30], []]);
    expect(batches).toEqual([[1, 2, 3]]);
  });

  it('collects while a batch is being written, up to its greatest size', async () => {
    const batches: number[][] = [];
    let release = (): void => undefined;
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const coalescer = new Coalescer<number, number>(async (items) => {
      batches.push([...items]);
      if (batches.length === 1) await gate;
      return items;
    }, 3);
    const first = coalescer.submit([0]);
    await Promise.resolve();
    await Promise.resolve();
    const rest = [1, 2, 3, 4].map((item) => coalescer.submit([item]));
    release();
    await Promise.all([first, ...rest]);
    expect(batches).toEqual([[0], [1, 2, 3], [4]]);
  });

  it('lets a fault hit only the caller whose item it is', async () => {
    const coalescer = new Coalescer<number, number>(async (items) => {
      if (items.includes(13)) throw new Error('unlucky');
      return items;
    });
    const answers = await Promise.allSettled([coalescer.submit([1]), coalescer.submit([13]), coalescer.submit([2])]);
    expect(answers.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  });
});
