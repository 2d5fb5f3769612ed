import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  AuthClient,
  AuthenticationError,
  HttpClient,
  MemoryTokenStore,
  NotLoggedInError,
  SessionManager,
} from '../src/index.js';
import { json, startServer, type TestServer, tokenOf } from './support/server.js';

/** The server's clock is an hour behind ours. */
const SKEW = -3600;
const START = 1_800_000_000_000;

let server: TestServer;
let now: number;
let logins: number;
let refreshes: number;
/** The only token that the server takes. */
let valid: string;
let refreshStatus: number;

const issue = (): string => {
  const iat = Math.floor(now / 1000) + SKEW;
  valid = tokenOf({ id: '1', iat, exp: iat + 1800, jti: `${logins}-${refreshes}` });
  return valid;
};

beforeEach(async () => {
  now = START;
  logins = 0;
  refreshes = 0;
  refreshStatus = 200;
  server = await startServer((request, response) => {
    const bearer = request.headers.authorization?.slice(7);
    if (request.path === '/auth/token') {
      if (!request.body.toString().includes('password=right')) return json(response, 401, { detail: 'Incorrect' });
      logins += 1;
      return json(response, 200, { access_token: issue(), token_type: 'bearer' });
    }
    if (bearer !== valid) return json(response, 401, { detail: 'Could not validate credentials' });
    if (request.path === '/auth/token/refresh') {
      if (refreshStatus !== 200) return json(response, refreshStatus, { detail: 'no' });
      refreshes += 1;
      return json(response, 200, { access_token: issue(), token_type: 'bearer' });
    }
    return json(response, 200, { id: 1, username: 'ann', permissions: [] });
  });
});
afterEach(() => server.stop());

const sessionWith = (options: Partial<ConstructorParameters<typeof SessionManager>[0]> = {}) =>
  new SessionManager({
    auth: new AuthClient({ baseUrl: server.url, retry: { retries: 0 } }),
    now: () => now,
    ...options,
  });

describe('a session', () => {
  it('knows its user, and ends with logout', async () => {
    const session = sessionWith();
    expect(await session.login('ann', 'right')).toMatchObject({ username: 'ann' });
    await session.logout();
    expect(await session.isAuthenticated()).toBe(false);
    await expect(session.getToken()).rejects.toBeInstanceOf(NotLoggedInError);
    expect(await session.headers()).toEqual({});
  });

  it('refuses wrong credentials', async () => {
    await expect(sessionWith().login('ann', 'wrong')).rejects.toBeInstanceOf(AuthenticationError);
  });

  it('is refreshed before its end by one request, however many wait, and not by clocks that differ', async () => {
    const session = sessionWith();
    await session.login('ann', 'right');
    await session.getToken();
    expect(refreshes).toBe(0);
    now += 1_750_000;
    const tokens = await Promise.all(Array.from({ length: 20 }, () => session.getToken()));
    expect(new Set(tokens)).toEqual(new Set([valid]));
    expect(refreshes).toBe(1);
  });

  it('is renewed once when a server refuses its token, for all running calls', async () => {
    const session = sessionWith({ credentials: () => ({ username: 'ann', password: 'right' }) });
    await session.login('ann', 'right');
    const http = new HttpClient({ baseUrl: server.url, auth: session });
    valid = 'revoked';
    await Promise.all(Array.from({ length: 10 }, () => http.json({ method: 'POST', path: '/x' })));
    expect(logins).toBe(2);
  });

  it('without credentials ends when it cannot be renewed', async () => {
    const store = new MemoryTokenStore();
    const session = sessionWith({ store });
    await session.login('ann', 'right');
    valid = 'revoked';
    const http = new HttpClient({ baseUrl: server.url, auth: session });
    await expect(http.json({ method: 'GET', path: '/x' })).rejects.toBeInstanceOf(AuthenticationError);
    expect(await store.load()).toBeUndefined();
  });

  it('goes on with its token while the auth service fails', async () => {
    const session = sessionWith();
    await session.login('ann', 'right');
    const before = valid;
    now += 1_750_000;
    refreshStatus = 500;
    expect(await session.getToken()).toBe(before);
  });

  it('outlives the program through its store, and the store never holds a password', async () => {
    const store = new MemoryTokenStore();
    await sessionWith({ store }).login('ann', 'right');
    expect(JSON.stringify(await store.load())).not.toContain('right');
    expect(await sessionWith({ store }).getToken()).toBe(valid);
    expect(logins).toBe(1);
  });
});
