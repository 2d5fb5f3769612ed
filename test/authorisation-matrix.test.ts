import { authEndpoints, computeEndpoints, storeEndpoints, systemEndpoints } from '@cl-server/contract';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CALLERS, EXPECTED_GUARDS, MODES, SERVICES, verdict } from './authorisation-table.js';
import { Platform } from './support/platform.js';

let platform: Platform;
beforeAll(async () => {
  platform = await Platform.start();
});
afterAll(() => platform.stop());

const TABLES = { auth: authEndpoints, store: storeEndpoints, compute: computeEndpoints };

describe.each(SERVICES)('%s', (service) => {
  const guards = EXPECTED_GUARDS[service];

  it('declares the access rule that the table expects for every endpoint', () => {
    const declared = [...TABLES[service], ...systemEndpoints].map(({ method, path, guard }) => [
      `${method} ${path}`,
      guard,
    ]);
    expect(guards).toMatchObject(Object.fromEntries(declared));
  });

  describe.each(service === 'auth' ? (['as installed'] as const) : MODES)('%s', (mode) => {
    it('serves exactly the endpoints of the table', () => {
      const rows = new Set(platform.routes(mode, service).map(({ row }) => row));
      expect([...rows].toSorted()).toEqual(Object.keys(guards).toSorted());
    });

    it.each(CALLERS)('accepts or refuses as the table says: %s', async (caller) => {
      for (const route of platform.routes(mode, service)) {
        const { status, challenge } = await platform.ask(mode, service, caller, route);
        const guard = guards[route.row];
        const expected = guard && verdict(mode, service, guard, caller);
        const end = status >= 500 ? status : status === 401 || status === 403 ? status : 'in';
        expect([route.method, route.target, end]).toEqual([route.method, route.target, expected]);
        if (status === 401) expect([route.target, challenge]).toEqual([route.target, 'Bearer']);
      }
    });
  });
});
