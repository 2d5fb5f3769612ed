import { describe, expect, it } from 'vitest';
import { PasswordHasher } from '../src/login/password-hasher.js';

const REQUESTER = { lane: 'known', source: 'a test' } as const;

describe('password hashes', () => {
  it('are bcrypt of the documented cost, and match only the right password', async () => {
    const hasher = new PasswordHasher();
    const hash = await hasher.hash('pässword-1', REQUESTER);
    expect(hash).toMatch(/^\$2b\$12\$/);
    expect(await hasher.verify('pässword-1', hash, REQUESTER)).toBe(true);
    expect(await hasher.verify('password-1', hash, REQUESTER)).toBe(false);
  });

  it('of the Python system match (docs/compatibility.md)', async () => {
    const hasher = new PasswordHasher({ cost: 4 });
    const known = '$2b$12$EixZaYVK1fsbw1ZfbX3OXePaWxn96p36WQoeG6Lruj3vjPGga31lW';
    expect(await hasher.verify('secret', known, REQUESTER)).toBe(true);
  });

  it('are compared even if the user does not exist, at the same cost', async () => {
    const hasher = new PasswordHasher({ cost: 10, parallel: 1 });
    const hash = await hasher.hash('password-1', REQUESTER);
    const timed = async (against: string | undefined): Promise<number> => {
      const times: number[] = [];
      for (let i = 0; i < 5; i++) {
        const start = performance.now();
        expect(await hasher.verify('wrong-password', against, REQUESTER)).toBe(false);
        times.push(performance.now() - start);
      }
      return Math.min(...times);
    };
    await timed(undefined);
    const [known, unknown] = [await timed(hash), await timed(undefined)];
    expect(unknown / known).toBeGreaterThan(0.2); // without the comparison it is a hundredth
    expect(unknown / known).toBeLessThan(5);
  });

  it('of lower cost than the current one count as weak; those of the Python system with the same cost do not', async () => {
    const [weaker, today] = [new PasswordHasher({ cost: 4 }), new PasswordHasher({ cost: 5 })];
    expect(today.isWeak(await weaker.hash('password-1', REQUESTER))).toBe(true);
    expect(today.isWeak(await today.hash('password-1', REQUESTER))).toBe(false);
    expect(new PasswordHasher().isWeak('$2b$12$EixZaYVK1fsbw1ZfbX3OXePaWxn96p36WQoeG6Lruj3vjPGga31lW')).toBe(false);
  });
});
