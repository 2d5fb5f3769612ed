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
/** The only refresh token that the server takes; undefined if the session has ended. */
let refreshToken: string | undefined;
let ended: number;

const issue = (): string => {
  const iat = Math.floor(now / 1000) + SKEW;
  valid = tokenOf({ id: '1', iat, exp: iat + 1800, jti: `${logins}-${refreshes}` });
  return valid;
};

const sessionTokens = () => {
  refreshToken = `clr_${logins}-${refreshes}`;
  return {
    access_token: issue(),
    token_type: 'bearer',
    expires_in: 1800,
    refresh_token: refreshToken,
    session_id: 's1',
    session_expires_at: now + 1_000_000_000,
  };
};

/** A store that several programs share. */
class SharedStore extends MemoryTokenStore {
  #last: Promise<unknown> = Promise.resolve();
  #held = false;

  exclusive<T>(work: () => Promise<T>): Promise<T> {
    if (this.#held) return work();
    const result = this.#last.then(async () => {
      this.#held = true;
      try {
        return await work();
      } finally {
        this.#held = false;
      }
    });
    this.#last = result.catch(() => undefined);
    return result;
  }
}

beforeEach(async () => {
  now = START;
  logins = 0;
  refreshes = 0;
  refreshStatus = 200;
  refreshToken = undefined;
  ended = 0;
  server = await startServer((request, response) => {
    const bearer = request.headers.authorization?.slice(7);
    if (request.path === '/auth/token') {
      if (!request.body.toString().includes('password=right')) return json(response, 401, { detail: 'Incorrect' });
      logins += 1;
      return json(response, 200, { access_token: issue(), token_type: 'bearer' });
    }
    if (request.path === '/auth/sessions') {
      if (!request.body.toString().includes('right')) return json(response, 401, { detail: 'Incorrect' });
      logins += 1;
      return json(response, 201, sessionTokens());
    }
    if (request.path === '/auth/sessions/refresh') {
      if (refreshStatus !== 200) return json(response, refreshStatus, { detail: 'no' });
      const { refresh_token } = JSON.parse(request.body.toString()) as { refresh_token: string };
      if (refreshToken === undefined || refresh_token !== refreshToken) {
        refreshToken = undefined;
        return json(response, 401, { detail: 'The session has ended: log in again' });
      }
      refreshes += 1;
      return json(response, 200, sessionTokens());
    }
    if (bearer !== valid) return json(response, 401, { detail: 'Could not validate credentials' });
    if (request.path === '/auth/token/refresh') {
      if (refreshStatus !== 200) return json(response, refreshStatus, { detail: 'no' });
      refreshes += 1;
      return json(response, 200, { access_token: issue(), token_type: 'bearer' });
    }
    if (request.path === '/auth/sessions/s1') {
      ended += 1;
      refreshToken = undefined;
      response.writeHead(204).end();
      return;
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
    refreshToken = undefined;
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

  it('in a store that programs share is refreshed by one of them, and ends for all when one logs out', async () => {
    const store = new SharedStore();
    await sessionWith({ store }).login('ann', 'right');
    const programs = Array.from({ length: 8 }, () => sessionWith({ store }));
    await Promise.all(programs.map((program) => program.getToken()));
    for (const round of [1, 2]) {
      now += 1_790_000;
      const tokens = await Promise.all(programs.map((program) => program.getToken()));
      expect([round, new Set(tokens), refreshes]).toEqual([round, new Set([valid]), round]);
    }
    expect(await programs[0]?.logout()).toBe(true);
    expect([ended, await store.load()]).toEqual([1, undefined]);
    now += 1_790_000;
    expect(await programs[1]?.token()).toBeUndefined();
    expect(refreshes).toBe(2);
  });

  it('ends on the server by logout after its token expired, and only here if the server fails', async () => {
    const session = sessionWith({ store: new MemoryTokenStore() });
    await session.login('ann', 'right');
    now += 3_600_000;
    expect([await session.logout(), ended]).toEqual([true, 1]);
    await session.login('ann', 'right');
    now += 3_600_000;
    refreshStatus = 500;
    expect([await session.logout(), ended, await session.isAuthenticated()]).toEqual([false, 1, false]);
  });
});
