import { describe, expect, it } from 'vitest';
import { Slots } from '../src/engine/slots.js';

describe('slots', () => {
  const limits = new Map([
    ['any', { concurrency: undefined }],
    ['one', { concurrency: 1 }],
  ]);

  it('offer only what can start: in all, and of each task', () => {
    const slots = new Slots(3, limits);
    expect(slots.offer(['any', 'one'])).toEqual({ types: { any: 3, one: 1 }, limit: 3, interactiveOnly: false });
    const release = slots.take('one');
    expect(slots.offer(['any', 'one'])).toEqual({ types: { any: 2 }, limit: 2, interactiveOnly: false });
    expect(slots.offer(['one'])).toBeUndefined();
    release();
    release(); // a second time changes nothing
    expect([slots.free, slots.busy]).toEqual([3, 0]);
  });

  it('keep one more for interactive jobs', () => {
    const slots = new Slots(1, limits);
    slots.take('any');
    expect(slots.free).toBe(0);
    expect(slots.offer(['any'])).toEqual({ types: { any: 1 }, limit: 1, interactiveOnly: true });
    slots.take('any');
    expect(slots.offer(['any'])).toBeUndefined();
  });
});
