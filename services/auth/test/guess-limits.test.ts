import type { HttpError } from '@cl-server/service-kit';
import { describe, expect, it } from 'vitest';
import { type Guesser, GuessLimits } from '../src/login/guess-limits.js';
import { networkOf } from '../src/login/network.js';

const setUp = () => {
  let now = 1_000_000;
  const limits = new GuessLimits({ now: () => now });
  const guesser = (username: string, address: string, knownBy?: Guesser['knownBy']): Guesser => ({
    username,
    network: networkOf(address),
    knownBy,
  });
  /** @returns the seconds to wait if the attempt is refused */
  const fail = (...who: Parameters<typeof guesser>): number | undefined => {
    try {
      limits.begin(guesser(...who)).failed();
      return undefined;
    } catch (error) {
      return Number((error as HttpError).headers['retry-after']);
    }
  };
  const succeed = (...who: Parameters<typeof guesser>): void => limits.begin(guesser(...who)).succeeded();
  return { limits, fail, succeed, guesser, pass: (ms: number) => (now += ms) };
};

describe('guessing', () => {
  it('at one account is refused from any number of addresses, but not to known users', () => {
    const { fail, succeed } = setUp();
    const refused = Array.from({ length: 180 }, (_, i) => fail('ann', `10.0.0.${i % 20}`)).filter(Boolean);
    expect(refused).toHaveLength(170);
    expect(fail('ann', '10.0.0.1', 'address')).toBeUndefined();
    expect(fail('ann', '10.9.9.9', 'token')).toBeUndefined();
    // The owner's own login gives the guessers no further attempts.
    succeed('ann', '10.0.0.1', 'address');
    expect(fail('ann', '10.0.0.2')).toBe(1);
  });

  it('from a known address is allowed a hundred failures, then one in thirty seconds', () => {
    const { fail, pass } = setUp();
    for (let i = 0; i < 100; i++) expect(fail('ann', '10.0.0.1', 'address')).toBeUndefined();
    expect(fail('ann', '10.0.0.1', 'address')).toBe(30);
    expect(fail('ann', '10.0.0.2', 'address')).toBeUndefined();
    pass(30_000);
    expect(fail('ann', '10.0.0.1', 'address')).toBeUndefined();
    expect(fail('ann', '10.0.0.1', 'address')).toBe(30);
  });

  it('at many accounts is limited per address, and an IPv6 network counts as one address', () => {
    const { fail, pass, succeed } = setUp();
    for (let i = 0; i < 60; i++) expect(fail(`user ${i}`, `2001:db8:1:2::${i}`)).toBeUndefined();
    expect(fail('user 60', '2001:db8:1:2:ffff::1')).toBe(2);
    expect(fail('user 60', '2001:db8:1:3::1')).toBeUndefined();
    succeed('ann', '2001:db8:1:2::1', 'address');
    pass(2_000);
    // Successes do not use up the limit.
    for (let i = 0; i < 100; i++) succeed('bob', '2001:db8:1:2::1');
    expect(fail('user 61', '2001:db8:1:2::1')).toBeUndefined();
    expect(fail('user 62', '::ffff:10.0.0.1')).toBeUndefined();
  });

  it('at many accounts from many addresses is limited in total, but not for known users', () => {
    const { fail } = setUp();
    for (let i = 0; i < 300; i++) expect(fail(`user ${i}`, `10.0.${i}.1`)).toBeUndefined();
    expect(fail('one more', '10.1.0.1')).toBe(1);
    expect(fail('ann', '10.1.0.1', 'address')).toBeUndefined();
  });

  it('in a burst gets no more attempts than in a sequence', () => {
    const { limits, guesser } = setUp();
    const begun = Array.from({ length: 200 }, (_, i) => {
      try {
        return limits.begin(guesser(`user ${i}`, '10.0.0.1'));
      } catch {
        return undefined;
      }
    }).filter(Boolean);
    expect(begun).toHaveLength(60);
    for (const attempt of begun) attempt?.abandoned();
    expect(limits.begin(guesser('ann', '10.0.0.1'))).toBeDefined();
  });
});
