/** Tests logins, profiles and addresses against a whole platform that is started for this file. */
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { promisify } from 'node:util';
import { projectRoot, type TempDir, tempDir } from '@cl-server/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { endPlatform, PASSWORD, startTestPlatform, type TestPlatform } from '../../server/test/platform/support.js';
import { EXIT } from '../src/index.js';
import { run } from './support/world.js';

const built = fs.existsSync(path.join(projectRoot, 'apps/server/dist/main.js'));

describe.runIf(built)('cl-client login', () => {
  let platform: TestPlatform;
  let home: TempDir;
  let env: Record<string, string>;

  beforeAll(async () => {
    platform = await startTestPlatform();
    home = tempDir();
    const { auth, store, compute, mqtt } = platform.urls;
    env = { CL_CONFIG_DIR: home.path, AUTH_URL: auth, STORE_URL: store, COMPUTE_URL: compute, MQTT_URL: mqtt };
  }, 120_000);
  afterAll(async () => {
    if (platform) await endPlatform(platform);
    home?.remove();
  });

  it('needs one address only, and saves the others in the profile', async () => {
    using other = tempDir();
    const bare = { CL_CONFIG_DIR: other.path };
    const { auth, store, compute, mqtt } = platform.urls;
    const login = ['login', `${auth}/`, '-u', 'admin', '-p', PASSWORD];
    expect((await run(bare, login)).code).toBe(EXIT.ok);
    const saved = { server_url: `${auth}/`, auth_url: auth, store_url: store, compute_url: compute, mqtt_url: mqtt };
    expect((await run(bare, ['config', 'get', '--json'])).json()).toMatchObject(saved);
    expect((await run(bare, ['store', 'list', '--quiet'])).code).toBe(EXIT.ok);
    const at = async (extra: Record<string, string>, ...options: string[]) =>
      (
        await run({ CL_CONFIG_DIR: path.join(other.path, 'none'), ...extra }, [...options, 'config', 'get', '--json'])
      ).json();
    expect(await at({}, '--server', auth)).toMatchObject({ store_url: store });
    expect(await at({ STORE_URL: 'http://x:1' }, '--server', auth)).toMatchObject({ store_url: store });
    expect(await at({ CL_SERVER: auth, STORE_URL: 'http://x:1' })).toMatchObject({
      store_url: 'http://x:1',
      compute_url: compute,
    });
    expect(await at({}, '--server', auth, '--store-url', 'http://x:1')).toMatchObject({ store_url: 'http://x:1' });
    await run(bare, ['login', '-u', 'admin', '-p', PASSWORD, '--auth-url', auth, '--store-url', 'http://x:1']);
    expect((await run(bare, ['config', 'get', 'store_url'])).out.trim()).toBe('http://x:1');
  });

  it('says that a session has expired, until the next login', async () => {
    using other = tempDir();
    const own = { ...env, CL_CONFIG_DIR: other.path };
    const old = { username: 'admin', accessToken: 'x.y.z', expiresAt: 1, lifetime: 1, authUrl: platform.urls.auth };
    fs.writeFileSync(path.join(other.path, 'sessions.json'), JSON.stringify({ default: old }));
    for (const attempt of ['first', 'second']) {
      const { code, err } = await run(own, ['jobs', 'list']);
      expect([attempt, code, err]).toEqual([attempt, EXIT.auth, expect.stringContaining('Your session has expired')]);
      expect(err).toContain('Log in again with: cl-client login -u admin');
    }
    expect(fs.readFileSync(path.join(other.path, 'sessions.json'), 'utf8')).not.toContain('x.y.z');
    expect((await run(own, ['login', '-u', 'admin', '-p', 'wrong password'])).err).toMatch(
      /incorrect username or password/i,
    );
    expect((await run({ ...own, CL_TOKEN: 'x.y.z' }, ['jobs', 'list'])).err).toContain(
      'CL_TOKEN is not valid any more',
    );
    const asJson = JSON.parse((await run(own, ['jobs', 'list', '--json'])).err) as { error: object };
    expect(asJson.error).toMatchObject({ code: 'session_expired', status: 401, request_id: expect.any(String) });
    await run(own, ['logout']);
    expect((await run(own, ['jobs', 'list'])).err).toContain('Authentication required');
    await run(own, ['login', '-u', 'admin', '-p', PASSWORD]);
    expect((await run(own, ['jobs', 'list'])).code).toBe(EXIT.ok);
  });

  it('lets eight programs share a session at once, lists it, and ends it on the server', async () => {
    using other = tempDir();
    const own = { ...env, CL_CONFIG_DIR: other.path };
    await run(own, ['login', '-u', 'admin', '-p', PASSWORD]);
    const file = path.join(other.path, 'sessions.json');
    const saved = JSON.parse(fs.readFileSync(file, 'utf8'));
    const { refreshToken, sessionId } = saved.default;
    fs.writeFileSync(file, JSON.stringify({ default: { ...saved.default, expiresAt: 1 } }));
    const program = path.join(projectRoot, 'apps/cli/bin/cl-client.js');
    const all = await Promise.all(
      Array.from({ length: 8 }, () =>
        promisify(execFile)(process.execPath, [program, 'whoami', '--quiet'], { env: { ...process.env, ...own } }),
      ),
    );
    expect(all.map(({ stdout }) => stdout.trim())).toEqual(Array(8).fill('admin'));
    expect(JSON.parse(fs.readFileSync(file, 'utf8')).default.refreshToken).not.toBe(refreshToken);
    const sessions = (await run(own, ['session', 'list', '--json'])).json<{ id: string; current: boolean }[]>();
    expect(sessions.filter(({ current }) => current)).toMatchObject([{ id: sessionId }]);
    const before = (await run(own, ['token'])).out.trim();
    expect((await run(own, ['logout'])).code).toBe(EXIT.ok);
    expect((await run({ ...own, CL_TOKEN: before }, ['whoami'])).code).toBe(EXIT.auth);
  }, 120_000);

  it('refuses a profile that does not exist, except to create it', async () => {
    using other = tempDir();
    const own = { ...env, CL_CONFIG_DIR: other.path };
    const ghost = await run(own, ['--profile', 'ghost', 'store', 'list']);
    expect([ghost.code, ghost.err]).toEqual([EXIT.notFound, expect.stringContaining('the profiles are: default')]);
    expect((await run({ ...own, CL_PROFILE: 'ghost' }, ['logout'])).code).toBe(EXIT.notFound);
    expect((await run(own, ['--profile', 'ghost', 'login', '-u', 'admin', '-p', PASSWORD])).code).toBe(EXIT.ok);
    expect((await run(own, ['--profile', 'ghost', 'whoami'])).code).toBe(EXIT.ok);
    expect((await run(own, ['config', 'use', 'ghost'])).code).toBe(EXIT.ok);
  });

  it('names the mistake in an address', async () => {
    const { auth, store, compute } = platform.urls;
    const [wrong, page] = [{ ...env, STORE_URL: auth }, http.createServer((_, answer) => answer.end('<html></html>'))];
    const listed = await run(wrong, ['store', 'list']);
    expect([listed.code, listed.err]).toEqual([
      EXIT.notFound,
      expect.stringContaining(`${auth} is the auth service, not store`),
    ]);
    expect((await run(wrong, ['doctor'])).out).toContain('is the auth service, not store');
    expect((await run(env, ['login', store, '-u', 'a'])).err).toContain(`${store} is the store service`);
    expect((await run({ ...env, AUTH_URL: compute }, ['login', '-u', 'a', '-p', 'b'])).err).toContain(
      'is the compute service',
    );
    expect((await run(env, ['login', 'photos.example', '-u', 'a'])).err).toContain(
      'Did you mean https://photos.example',
    );
    const tls = await run({ ...env, STORE_URL: store.replace('http:', 'https:') }, ['store', 'list']);
    expect([tls.code, tls.err]).toEqual([EXIT.unreachable, expect.stringContaining('use http:// instead of https://')]);
    await new Promise<void>((ready) => page.listen(0, '127.0.0.1', ready));
    const foreign = `http://127.0.0.1:${(page.address() as AddressInfo).port}`;
    expect((await run({ ...env, STORE_URL: foreign }, ['store', 'list'])).err).toContain('it is not the store service');
    expect((await run(env, ['login', foreign, '-u', 'a'])).err).toContain('it is not the address of a CL Server');
    page.close();
    expect((await run(env, ['--username', 'admin', '--password', PASSWORD, 'store', 'get', '999999'])).err).toContain(
      'Entity 999999 was not found',
    );
  });
});
