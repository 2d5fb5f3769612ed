import { describe, expect, it } from 'vitest';
import { HashQueue, type HashQueueOptions, type HashRequester } from '../src/login/hash-queue.js';

const stranger = (source: string, signal?: AbortSignal): HashRequester => ({ lane: 'stranger', source, signal });
const known = (source: string): HashRequester => ({ lane: 'known', source });

/** Occupies the queue with one request until `free` is called; each later request writes down its name and ends at once. */
function occupied(options: Partial<HashQueueOptions> = {}) {
  const hashes = new HashQueue({ parallel: 1, ...options });
  const order: string[] = [];
  let free = (): void => undefined;
  const first = hashes.run(known('first'), () => new Promise<void>((resolve) => (free = resolve)));
  const queue = (requester: HashRequester, name: string): Promise<unknown> =>
    hashes.run(requester, async () => void order.push(name)).catch((error: unknown) => error);
  return { hashes, order, queue, free: () => free(), first };
}

describe('requests to hash a password', () => {
  it('are served for known users first, but every fourth one for a stranger', async () => {
    const { order, queue, free, first } = occupied();
    const all = [...'abcd'].map((name) => queue(stranger('x'), name));
    all.push(...[1, 2, 3, 4, 5, 6].map((i) => queue(known('y'), `known ${i}`)));
    free();
    await Promise.all([first, ...all]);
    expect(order.slice(0, 4)).toEqual(['known 1', 'known 2', 'known 3', 'a']);
    expect(order).toHaveLength(10);
  });

  it('are served in turn by source, so that a flood from one source delays only that source', async () => {
    const { order, queue, free, first } = occupied();
    const all = [1, 2, 3, 4, 5].map((i) => queue(stranger('flood'), `flood ${i}`));
    all.push(queue(stranger('other'), 'other'));
    free();
    await Promise.all([first, ...all]);
    expect(order.indexOf('other')).toBe(1);
  });

  it('are refused with Retry-After to a source that has too many waiting, and make room for other sources', async () => {
    const { hashes, order, queue, free, first } = occupied({ maxWaiting: 4, maxPerSource: 3 });
    const flood = [1, 2, 3, 4].map((i) => queue(stranger('flood'), `flood ${i}`));
    expect(await flood[3]).toMatchObject({ status: 503, headers: { 'retry-after': '5' } });
    const others = ['b', 'c'].map((name) => queue(stranger(name), name));
    expect(hashes.waiting).toBe(4);
    // The third request of the flood had to make room.
    expect(await flood[2]).toMatchObject({ status: 503 });
    free();
    await Promise.all([first, ...flood, ...others]);
    expect(order.toSorted()).toEqual(['b', 'c', 'flood 1', 'flood 2']);
  });

  it('do not wait longer than the deadline, nor after their client has disconnected', async () => {
    const { hashes, order, queue, free, first } = occupied({ deadline: 30 });
    const late = queue(stranger('x'), 'late');
    const client = new AbortController();
    const disconnected = queue(stranger('x', client.signal), 'disconnected');
    client.abort();
    expect(await disconnected).toMatchObject({ status: 503 });
    expect(await late).toMatchObject({ status: 503, headers: { 'retry-after': '5' } });
    expect(hashes.waiting).toBe(0);
    free();
    await first;
    expect(order).toEqual([]);
    expect(await queue(stranger('x', client.signal), 'disconnected before the start')).toMatchObject({ status: 503 });
    await queue(stranger('x'), 'after');
    expect(order).toEqual(['after']);
  });
});
