import { describe, expect, it } from 'vitest';
import { type Turn, type TurnOptions, Turns } from '../src/login/turns.js';

const stranger = (source: string, signal?: AbortSignal): Turn => ({ lane: 'stranger', source, signal });
const known = (source: string): Turn => ({ lane: 'known', source });

/** One turn is occupied until `free` is called; each later turn writes down its name and ends at once. */
function occupied(options: Partial<TurnOptions> = {}) {
  const turns = new Turns({ parallel: 1, ...options });
  const order: string[] = [];
  let free = (): void => undefined;
  const first = turns.take(known('first'), () => new Promise<void>((resolve) => (free = resolve)));
  const queue = (turn: Turn, name: string): Promise<unknown> =>
    turns.take(turn, async () => void order.push(name)).catch((error: unknown) => error);
  return { turns, order, queue, free: () => free(), first };
}

describe('turns at hashing', () => {
  it('go to known users first, but every fourth one to a stranger', async () => {
    const { order, queue, free, first } = occupied();
    const all = [...'abcd'].map((name) => queue(stranger('x'), name));
    all.push(...[1, 2, 3, 4, 5, 6].map((i) => queue(known('y'), `known ${i}`)));
    free();
    await Promise.all([first, ...all]);
    expect(order.slice(0, 4)).toEqual(['known 1', 'known 2', 'known 3', 'a']);
    expect(order).toHaveLength(10);
  });

  it('go round the sources, so that one source’s flood delays that source alone', async () => {
    const { order, queue, free, first } = occupied();
    const all = [1, 2, 3, 4, 5].map((i) => queue(stranger('flood'), `flood ${i}`));
    all.push(queue(stranger('other'), 'other'));
    free();
    await Promise.all([first, ...all]);
    expect(order.indexOf('other')).toBe(1);
  });

  it('are refused with Retry-After to a source that has too many waiting, and make room for other sources', async () => {
    const { turns, order, queue, free, first } = occupied({ maxWaiting: 4, maxPerSource: 3 });
    const flood = [1, 2, 3, 4].map((i) => queue(stranger('flood'), `flood ${i}`));
    expect(await flood[3]).toMatchObject({ status: 503, headers: { 'retry-after': '5' } });
    const others = ['b', 'c'].map((name) => queue(stranger(name), name));
    expect(turns.waiting).toBe(4);
    // The third of the flood had to make room.
    expect(await flood[2]).toMatchObject({ status: 503 });
    free();
    await Promise.all([first, ...flood, ...others]);
    expect(order.toSorted()).toEqual(['b', 'c', 'flood 1', 'flood 2']);
  });

  it('are not waited for longer than the deadline, nor by clients that have gone', async () => {
    const { turns, order, queue, free, first } = occupied({ deadline: 30 });
    const late = queue(stranger('x'), 'late');
    const client = new AbortController();
    const gone = queue(stranger('x', client.signal), 'gone');
    client.abort();
    expect(await gone).toMatchObject({ status: 503 });
    expect(await late).toMatchObject({ status: 503, headers: { 'retry-after': '5' } });
    expect(turns.waiting).toBe(0);
    free();
    await first;
    expect(order).toEqual([]);
    expect(await queue(stranger('x', client.signal), 'gone before it began')).toMatchObject({ status: 503 });
    await queue(stranger('x'), 'after');
    expect(order).toEqual(['after']);
  });
});
