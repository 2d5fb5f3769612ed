import type { HttpError } from '@cl-server/service-kit';
import { describe, expect, it } from 'vitest';
import { AttemptLimiter } from '../src/login/attempt-limiter.js';

const setUp = (maxRecords?: number) => {
  let now = 1_000_000;
  const limiter = new AttemptLimiter(() => now, maxRecords);
  const fail = (account: string): number => limiter.begin(account).failed();
  const refusedFor = (account: string): number | undefined => {
    try {
      limiter.begin(account).abandoned();
      return undefined;
    } catch (error) {
      return Number((error as HttpError).headers['retry-after']);
    }
  };
  return { limiter, fail, refusedFor, pass: (ms: number) => (now += ms) };
};

describe('login attempts at one account', () => {
  it('are free ten times; then each failure doubles the wait, up to 15 minutes', () => {
    const { fail, pass } = setUp();
    const waits: number[] = [];
    for (let i = 0; i < 23; i++) {
      const wait = fail('ann');
      waits.push(wait / 1000);
      pass(wait);
    }
    expect(waits).toEqual([...Array(9).fill(0), 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900, 900]);
  });

  it('are refused without a check during the wait, allowed one at a time after it, and free again after a success', () => {
    const { limiter, fail, refusedFor, pass } = setUp();
    for (let i = 0; i < 12; i++) pass(fail('ann'));
    fail('ann');
    expect(refusedFor('ann')).toBe(8);
    pass(7_500);
    expect(refusedFor('ann')).toBe(1);
    pass(500);
    const only = limiter.begin('ann');
    expect(refusedFor('ann')).toBe(1);
    only.succeeded();
    for (let i = 0; i < 9; i++) expect(fail('ann')).toBe(0);
    expect(fail('ann')).toBe(1000);
  });

  it('cannot be multiplied by sending many at once', () => {
    const { limiter, refusedFor } = setUp();
    const burst = Array.from({ length: 50 }, () => limiter.begin('ann'));
    expect(refusedFor('ann')).toBe(1);
    for (const attempt of burst) attempt.failed();
    expect(refusedFor('ann')).toBe(900);
  });

  it('leave no record if they ended without a result', () => {
    const { limiter, fail, refusedFor } = setUp();
    for (let i = 0; i < 100; i++) limiter.begin('ann').abandoned();
    for (let i = 0; i < 100; i++) limiter.begin('ann').succeeded();
    for (let i = 0; i < 9; i++) fail('ann');
    expect(refusedFor('ann')).toBeUndefined();
  });

  it('are forgotten after an hour without failure', () => {
    const { fail, pass } = setUp();
    for (let i = 0; i < 12; i++) pass(fail('ann'));
    pass(3_600_000);
    expect(fail('ann')).toBe(0);
  });

  it('are kept in bounded memory: new names push the oldest out', () => {
    const { fail, refusedFor } = setUp(3);
    for (let i = 0; i < 10; i++) fail('ann');
    for (const name of ['b', 'c']) fail(name);
    expect(refusedFor('ann')).toBe(1);
    for (const name of ['d', 'e', 'f']) fail(name);
    expect(refusedFor('ann')).toBeUndefined();
  });
});
