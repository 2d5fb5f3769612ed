/** Requests that wait for the same stream share one watch. */
import { describe, expect, it } from 'vitest';
import { retryDelay } from '../src/streams/failure.js';
import { SharedWait } from '../src/streams/shared-wait.js';

const staying = new AbortController().signal;
const LONG = 60_000;

/** A watch that ends when the test says so. */
function lookout() {
  const looks: { signal: AbortSignal; end: (value: string | undefined) => void; fail: (error: Error) => void }[] = [];
  const look = (signal: AbortSignal) =>
    new Promise<string | undefined>((resolve, reject) => {
      looks.push({ signal, end: resolve, fail: reject });
      signal.addEventListener('abort', () => resolve(undefined));
    });
  return { looks, look };
}

describe('waiting together', () => {
  it('watches once and notifies all', async () => {
    const wait = new SharedWait<string>();
    const { looks, look } = lookout();
    const all = [1, 2, 3].map(() => wait.join('a', { within: LONG, gone: staying }, look));
    expect(looks).toHaveLength(1);
    looks[0]?.end('here');
    expect(await Promise.all(all)).toEqual(['here', 'here', 'here']);
  });

  it('notifies all of a failure', async () => {
    const wait = new SharedWait<string>();
    const { looks, look } = lookout();
    const all = [1, 2].map(() => wait.join('a', { within: LONG, gone: staying }, look));
    looks[0]?.fail(new Error('broken'));
    for (const { status } of await Promise.allSettled(all)) expect(status).toBe('rejected');
  });

  it('lets each leave alone, and ends the watch with the last', async () => {
    const wait = new SharedWait<string>();
    const { looks, look } = lookout();
    const leaver = new AbortController();
    const first = wait.join('a', { within: LONG, gone: leaver.signal }, look);
    const second = wait.join('a', { within: 20, gone: staying }, look);
    leaver.abort();
    expect(await first).toBeUndefined();
    expect(looks[0]?.signal.aborted).toBe(false);
    expect(await second).toBeUndefined();
    expect(looks[0]?.signal.aborted).toBe(true);
    const third = wait.join('a', { within: LONG, gone: staying }, look);
    looks[1]?.end('later');
    expect(await third).toBe('later');
  });

  it('ends for all when it is closed, also for later requests', async () => {
    const wait = new SharedWait<string>();
    const { looks, look } = lookout();
    const waiting = wait.join('a', { within: LONG, gone: staying }, look);
    wait.close();
    expect(await waiting).toBeUndefined();
    expect(await wait.join('a', { within: LONG, gone: staying }, look)).toBeUndefined();
    expect(looks).toHaveLength(1);
  });
});

describe('the delay after a failure', () => {
  it('is zero at first, then doubles, up to five minutes', () => {
    expect([1, 2, 3, 4, 5].map(retryDelay)).toEqual([0, 2_000, 4_000, 8_000, 16_000]);
    expect([20, 10_000].map(retryDelay)).toEqual([300_000, 300_000]);
  });
});
