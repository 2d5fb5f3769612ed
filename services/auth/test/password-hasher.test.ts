import { describe, expect, it } from 'vitest';
import { PasswordHasher } from '../src/login/password-hasher.js';

describe('password hashes', () => {
  it('are bcrypt of the documented cost, and tell right from wrong', async () => {
    const hasher = new PasswordHasher();
    const hash = await hasher.hash('pässword-1');
    expect(hash).toMatch(/^\$2b\$12\$/);
    expect(await hasher.verify('pässword-1', hash)).toBe(true);
    expect(await hasher.verify('password-1', hash)).toBe(false);
  });

  it('of the earlier system are understood', async () => {
    const hasher = new PasswordHasher({ cost: 4 });
    const known = '$2b$12$EixZaYVK1fsbw1ZfbX3OXePaWxn96p36WQoeG6Lruj3vjPGga31lW';
    expect(await hasher.verify('secret', known)).toBe(true);
  });

  it('cost as much for a user who is not there: a hash is compared all the same', async () => {
    const hasher = new PasswordHasher({ cost: 10, parallel: 1 });
    const hash = await hasher.hash('password-1');
    const timed = async (against: string | undefined): Promise<number> => {
      const times: number[] = [];
      for (let i = 0; i < 5; i++) {
        const start = performance.now();
        expect(await hasher.verify('wrong-password', against)).toBe(false);
        times.push(performance.now() - start);
      }
      return Math.min(...times);
    };
    await timed(undefined);
    const [known, unknown] = [await timed(hash), await timed(undefined)];
    expect(unknown / known).toBeGreaterThan(0.2); // without the comparison it is a hundredth
    expect(unknown / known).toBeLessThan(5);
  });

  it('wait for their turn, and are refused when too many wait', async () => {
    const hasher = new PasswordHasher({ cost: 4, parallel: 1, maxWaiting: 2 });
    await hasher.verify('warm', undefined);
    const outcomes = await Promise.allSettled([1, 2, 3, 4].map(() => hasher.hash('password-1')));
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'fulfilled', 'rejected']);
    expect(outcomes[3]).toMatchObject({ reason: { status: 503, headers: { 'retry-after': '5' } } });
    expect(await hasher.verify('password-1', await hasher.hash('password-1'))).toBe(true);
  });
});
