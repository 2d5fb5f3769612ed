/** Runs an attack on a service, during which it must answer others within its bounds. */
import { memoryOf, observe } from '@cl-server/testing';
import { expect } from 'vitest';
import type { Service } from '../../authorisation-table.js';
import type { Programs } from '../../support/programs.js';

/** The megabytes by which a service may grow under attack. */
const GROWTH = 150;
/**
 * The milliseconds for which a service may not answer. The promise is one second, and the worst attack takes 0.85 s on two idle
 * processors; the rest is for the programs that use them, too, while all tests run.
 */
const SILENCE = 1_500;

export async function withinBounds(programs: Programs, name: Service, work: () => Promise<unknown>): Promise<void> {
  const pid = programs.pid(name);
  const before = memoryOf(pid);
  const { silence, memory } = await observe({ url: programs.url(name), pid }, work);
  const cost = { silence, growth: Math.round(memory - before) };
  if (process.env.CL_TEST_LOG) process.stdout.write(`${expect.getState().currentTestName}: ${JSON.stringify(cost)}\n`);
  expect(silence).toBeLessThan(SILENCE);
  expect(cost.growth).toBeLessThan(GROWTH);
  expect(programs.allAlive).toBe(true);
}
