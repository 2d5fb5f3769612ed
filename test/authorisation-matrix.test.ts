import { type AuthService, createAuthService } from '@cl-server/auth';
import {
  type AnyEndpoint,
  authEndpoints,
  COMPUTE_API,
  computeEndpoints,
  STORE_API,
  storeEndpoints,
  systemEndpoints,
} from '@cl-server/contract';
import {
  Answer,
  type App,
  createApp,
  createAuthorizer,
  createMetrics,
  RemoteKeys,
  serviceCredential,
  silentLogger,
  sqliteUrl,
  TokenVerifier,
} from '@cl-server/runtime';
import { tempDir } from '@cl-server/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CALLERS, type Caller, EXPECTED_GUARDS, type Service, VERDICT } from './authorisation-table.js';

const TABLES: Readonly<Record<Service, readonly AnyEndpoint[]>> = {
  auth: [...authEndpoints, ...systemEndpoints],
  store: [...storeEndpoints, ...systemEndpoints],
  compute: [...computeEndpoints, ...systemEndpoints],
};
const rowOf = ({ method, path }: AnyEndpoint): string => `${method} ${path}`;
const concrete = (path: string): string => path.replace(/\{\w+\*\}/g, 'a/b').replace(/\{\w+\}/g, '999999');

const dir = tempDir();
const apps = {} as Record<Service, App>;
const bearers = new Map<Caller, string>();
let auth: AuthService;
let keys: RemoteKeys;

/** The service's own table and guards, with handlers that only say that the guard let the caller in. */
function standIn(info: typeof STORE_API, endpoints: readonly AnyEndpoint[]): App {
  const app = createApp({
    info,
    endpoints,
    authorize: createAuthorizer({ verifier: new TokenVerifier({ keys }), credential: serviceCredential(dir.path) }),
    logger: silentLogger(),
    metrics: createMetrics('matrix'),
    uploads: { folder: dir.path, maxBytes: 1000 },
  });
  for (const endpoint of endpoints) app.handle(endpoint, () => new Answer(200, { let: 'in' }));
  return app;
}

async function post(path: string, form: Record<string, string>, token?: string): Promise<Record<string, unknown>> {
  const answer = await auth.app.fastify.inject({
    method: 'POST',
    url: path,
    headers: {
      'content-type': 'application/x-www-form-urlencoded',
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
    },
    payload: new URLSearchParams(form).toString(),
  });
  expect(answer.statusCode, answer.body).toBeLessThan(300);
  return answer.json();
}

const tokenOf = async (username: string): Promise<string> =>
  String((await post('/auth/token', { username, password: 'secret-123' })).access_token);

beforeAll(async () => {
  auth = await createAuthService({
    dataDir: dir.path,
    databaseUrl: sqliteUrl(`${dir.path}/user_auth.db`),
    logger: silentLogger(),
    adminPassword: 'secret-123',
    passwordCost: 4,
  });
  const authUrl = await auth.app.listen({ host: '127.0.0.1', port: 0 });
  keys = await new RemoteKeys({ authUrl, logger: silentLogger() }).start();
  apps.auth = auth.app;
  apps.store = standIn(STORE_API, storeEndpoints);
  apps.compute = standIn(COMPUTE_API, computeEndpoints);
  const admin = await tokenOf('admin');
  bearers.set('admin', admin);
  bearers.set('service credential', serviceCredential(dir.path));
  for (const caller of CALLERS.slice(1, -2)) {
    const permissions = caller === 'plain user' ? '' : caller;
    await post('/users/', { username: caller, password: 'secret-123', permissions }, admin);
    bearers.set(caller, await tokenOf(caller));
  }
});

afterAll(async () => {
  keys.close();
  await Promise.all([apps.store.close(), apps.compute.close(), auth.close()]);
  dir.remove();
});

describe.each(['auth', 'store', 'compute'] as const)('every endpoint of %s', (service) => {
  it('has the guard that the table expects, and the table names no other', () => {
    expect(Object.fromEntries(TABLES[service].map((endpoint) => [rowOf(endpoint), endpoint.guard]))).toEqual(
      EXPECTED_GUARDS[service],
    );
  });

  it.each(CALLERS)('lets in or refuses: %s', async (caller) => {
    const bearer = bearers.get(caller);
    for (const endpoint of TABLES[service]) {
      for (const path of [endpoint.path, ...(endpoint.aliases ?? [])]) {
        const { statusCode, headers } = await apps[service].fastify.inject({
          method: endpoint.method,
          url: concrete(path),
          headers: bearer === undefined ? {} : { authorization: `Bearer ${bearer}` },
        });
        const verdict = statusCode === 401 || statusCode === 403 ? statusCode : 'in';
        expect([rowOf(endpoint), path, verdict]).toEqual([rowOf(endpoint), path, VERDICT[endpoint.guard](caller)]);
        if (statusCode === 401) expect(headers['www-authenticate']).toMatch(/^Bearer/);
      }
    }
  });
});
