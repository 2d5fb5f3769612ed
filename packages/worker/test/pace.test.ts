/** How many short jobs a slot takes at once. */
import { describe, expect, it } from 'vitest';
import { Pace } from '../src/engine/pace.js';

describe('pace', () => {
  it('takes one job while nothing is known, and of tasks that are not short', () => {
    const pace = new Pace();
    expect(pace.together('new')).toBe(1);
    pace.took('slow', 200);
    expect(pace.together('slow')).toBe(1);
  });

  it('takes as many as fit into 300 ms, and never more than 50', () => {
    const pace = new Pace();
    pace.took('thumbnail', 30);
    pace.took('noop', 0.01);
    expect(pace.together('thumbnail')).toBe(10);
    expect(pace.together('noop')).toBe(50);
  });

  it('learns of a slow job at once, and forgets it little by little', () => {
    const pace = new Pace();
    for (let i = 0; i < 5; i++) pace.took('hash', 1);
    pace.took('hash', 5_000);
    expect(pace.together('hash')).toBe(1);
    pace.took('hash', 1);
    expect(pace.together('hash')).toBe(1);
    for (let i = 0; i < 100; i++) pace.took('hash', 1);
    expect(pace.together('hash')).toBeGreaterThan(40);
  });
});
