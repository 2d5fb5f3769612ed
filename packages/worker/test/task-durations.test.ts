/** How many short jobs a slot takes at once. */
import { describe, expect, it } from 'vitest';
import { TaskDurations } from '../src/engine/slots.js';

describe('durations of tasks', () => {
  it('takes one job while nothing is known, and of tasks that are not short', () => {
    const durations = new TaskDurations();
    expect(durations.chunkSize('new')).toBe(1);
    durations.add('slow', 200);
    expect(durations.chunkSize('slow')).toBe(1);
  });

  it('takes as many as fit into 300 ms, and never more than 50', () => {
    const durations = new TaskDurations();
    durations.add('thumbnail', 30);
    durations.add('noop', 0.01);
    expect(durations.chunkSize('thumbnail')).toBe(10);
    expect(durations.chunkSize('noop')).toBe(50);
  });

  it('learns of a slow job at once, and forgets it little by little', () => {
    const durations = new TaskDurations();
    for (let i = 0; i < 5; i++) durations.add('hash', 1);
    durations.add('hash', 5_000);
    expect(durations.chunkSize('hash')).toBe(1);
    durations.add('hash', 1);
    expect(durations.chunkSize('hash')).toBe(1);
    for (let i = 0; i < 100; i++) durations.add('hash', 1);
    expect(durations.chunkSize('hash')).toBeGreaterThan(40);
  });
});
