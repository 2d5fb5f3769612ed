import { describe, expect, it } from 'vitest';
import { PasswordHasher } from '../src/login/password-hasher.js';

const TURN = { lane: 'known', source: 'a test' } as const;

describe('password hashes', () => {
  it('are bcrypt of the documented cost, and tell right from wrong', async () => {
    const hasher = new PasswordHasher();
    const hash = await hasher.hash('pässword-1', TURN);
    expect(hash).toMatch(/^\$2b\$12\$/);
    expect(await hasher.verify('pässword-1', hash, TURN)).toBe(true);
    expect(await hasher.verify('password-1', hash, TURN)).toBe(false);
  });

  it('of the earlier system are understood', async () => {
    const hasher = new PasswordHasher({ cost: 4 });
    const known = '$2b$12$EixZaYVK1fsbw1ZfbX3OXePaWxn96p36WQoeG6Lruj3vjPGga31lW';
    expect(await hasher.verify('secret', known, TURN)).toBe(true);
  });

  it('cost as much for a user who is not there: a hash is compared all the same', async () => {
    const hasher = new PasswordHasher({ cost: 10, parallel: 1 });
    const hash = await hasher.hash('password-1', TURN);
    const timed = async (against: string | undefined): Promise<number> => {
      const times: number[] = [];
      for (let i = 0; i < 5; i++) {
        const start = performance.now();
        expect(await hasher.verify('wrong-password', against, TURN)).toBe(false);
        times.push(performance.now() - start);
      }
      return Math.min(...times);
    };
    await timed(undefined);
    const [known, unknown] = [await timed(hash), await timed(undefined)];
    expect(unknown / known).toBeGreaterThan(0.2); // without the comparison it is a hundredth
    expect(unknown / known).toBeLessThan(5);
  });

  it('with fewer rounds than today’s are known as weak, those of the earlier system with as many are not', async () => {
    const [weaker, today] = [new PasswordHasher({ cost: 4 }), new PasswordHasher({ cost: 5 })];
    expect(today.isWeak(await weaker.hash('password-1', TURN))).toBe(true);
    expect(today.isWeak(await today.hash('password-1', TURN))).toBe(false);
    expect(new PasswordHasher().isWeak('$2b$12$EixZaYVK1fsbw1ZfbX3OXePaWxn96p36WQoeG6Lruj3vjPGga31lW')).toBe(false);
  });
});
