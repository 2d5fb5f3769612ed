import { GUARDS, type Guard, type TokenClaims } from '@cl-server/contract';
import { beforeAll, describe, expect, it } from 'vitest';
import { HttpError, unauthenticated } from '../src/errors.js';
import {
  type Authorize,
  type AuthorizerOptions,
  bearerOf,
  createAuthorizer,
  type Openness,
} from '../src/tokens/guard.js';
import { noRevocations } from '../src/tokens/revocations.js';
import { TokenVerifier } from '../src/tokens/verifier.js';
import { forge, HeldKeys, type Json, signedBy, type TestKey, testKey } from './token-forge.js';

let key: TestKey;
let verifier: TokenVerifier;
beforeAll(async () => {
  key = await testKey();
  verifier = new TokenVerifier({ keys: new HeldKeys().hold(key) });
});

const inAnHour = (): number => Math.floor(Date.now() / 1000) + 3600;
const token = (more: Json = {}): string =>
  forge(
    { alg: 'ES256', typ: 'JWT', kid: key.kid },
    { id: '7', iss: 'cl-server', exp: inAnHour(), permissions: [], is_admin: false, ...more },
    signedBy(key.privateKey),
  );
const authorizer = (options: Partial<AuthorizerOptions> = {}): Authorize =>
  createAuthorizer({ verifier, credential: 'the-secret', ...options });
const bearer = (text: string) => ({ headers: { authorization: `Bearer ${text}` } });
const nobody = { headers: {} };
const refusal = async (answer: Promise<unknown>): Promise<[number, unknown, unknown]> => {
  const error = await answer.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof HttpError)) throw new Error(`not refused: ${String(error)}`);
  return [error.status, error.detail, error.headers['www-authenticate']];
};

describe('the header', () => {
  it.each([
    ['Bearer abc', 'abc'],
    ['bEaReR abc', 'abc'],
    ['Bearer   abc ', 'abc'],
    ['Bearer', ''],
    ['Bearer ', ''],
    ['Basic abc', undefined],
    ['Bearerabc', undefined],
    [undefined, undefined],
  ])('%s holds %s', (authorization, expected) => {
    expect(bearerOf({ headers: { authorization } })).toBe(expected);
  });
});

describe('a refusal', () => {
  it('says what the documents promise, with WWW-Authenticate on every 401', async () => {
    const authorize = authorizer();
    expect(await refusal(authorize('user', nobody))).toEqual([401, 'Authentication required', 'Bearer']);
    expect(await refusal(authorize('user', bearer('a.b')))).toEqual([401, 'Could not validate credentials', 'Bearer']);
    expect(await refusal(authorize('user', bearer('')))).toEqual([401, 'Could not validate credentials', 'Bearer']);
    expect(await refusal(authorize('user', bearer(token({ exp: 5 }))))).toEqual([
      401,
      'JWT token has expired',
      'Bearer',
    ]);
    expect(await refusal(authorize('user', bearer(token({ id: 7 }))))).toEqual([
      401,
      'JWT payload is invalid',
      'Bearer',
    ]);
    expect((await refusal(authorize('admin', bearer(token())))).slice(0, 2)).toEqual([
      403,
      'Insufficient permissions. Admin access required',
    ]);
    expect(
      (await refusal(authorize('write', bearer(token({ permissions: ['media_store_read'] }))))).slice(0, 2),
    ).toEqual([403, 'Insufficient permissions. Required: media_store_write']);
  });

  it('is not made of a fault that is no token’s', async () => {
    const broken = { ...verifier, verify: async () => Promise.reject(new Error('the disk is gone')) };
    const authorize = authorizer({ verifier: broken as unknown as TokenVerifier });
    await expect(authorize('user', bearer('x'))).rejects.toThrow('the disk is gone');
  });
});

describe('a service’s modes', () => {
  const guarded = GUARDS.filter((guard) => guard !== 'public' && guard !== 'service');

  it.each(guarded)('open: anyone passes %s, and who has a good token is still known', async (guard: Guard) => {
    const authorize = authorizer({ openness: () => 'open' });
    expect(await authorize(guard, nobody)).toBeNull();
    expect(await authorize(guard, bearer('rubbish'))).toBeNull();
    expect(await authorize(guard, bearer(token()))).toMatchObject({ id: '7' });
  });

  it.each(guarded)('public but checked: strangers pass %s, a bad token does not', async (guard: Guard) => {
    const authorize = authorizer({ openness: async (): Promise<Openness> => 'public-but-checked' });
    expect(await authorize(guard, nobody)).toBeNull();
    expect(await authorize(guard, bearer(token()))).toMatchObject({ id: '7' });
    expect((await refusal(authorize(guard, bearer('rubbish'))))[0]).toBe(401);
  });

  it('never open what only services may call, nor let an admin’s token pass for the credential', async () => {
    const authorize = authorizer({ openness: () => 'open' });
    expect(await authorize('service', bearer('the-secret'))).toBeNull();
    for (const request of [nobody, bearer('the-Secret'), bearer(token({ is_admin: true }))])
      expect((await refusal(authorize('service', request)))[0]).toBe(401);
    const without = createAuthorizer({ verifier });
    expect((await refusal(without('service', bearer('undefined'))))[0]).toBe(401);
  });
});

describe('the last look', () => {
  it('replaces the claims or refuses them, whatever the token says', async () => {
    const demoted = authorizer({ confirm: (claims: TokenClaims) => ({ ...claims, is_admin: false }) });
    expect((await refusal(demoted('admin', bearer(token({ is_admin: true })))))[0]).toBe(403);
    const gone = authorizer({
      confirm: () => {
        throw unauthenticated('gone');
      },
    });
    expect(await refusal(gone('user', bearer(token())))).toEqual([401, 'gone', 'Bearer']);
  });

  it('answers 503 and when to come back while nobody knows what was revoked, a bad token included', async () => {
    const keys = new HeldKeys().hold(key);
    const unready = new TokenVerifier({ keys, revocations: { ...noRevocations, isKnown: async () => false } });
    for (const text of [token(), 'rubbish']) {
      const refused = await authorizer({ verifier: unready })('user', bearer(text)).catch((error: unknown) => error);
      expect(refused).toMatchObject({ status: 503, headers: { 'retry-after': '2' } });
    }
  });
});
