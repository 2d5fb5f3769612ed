import { generateKeyPairSync } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { RemoteKeys, StartupError, silentLogger, TokenVerifier } from '@cl-server/service-kit';
import { backends, eventually, type TempDir, tempDir } from '@cl-server/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { keyPaths, loadKeys, rotateKeys } from '../src/keys/key-files.js';
import { Harness, headerOf, PASSWORD } from './harness.js';

const sqlite = backends().slice(0, 1);

describe('the key files', () => {
  let dir: TempDir;
  beforeEach(() => {
    dir = tempDir();
  });
  afterEach(() => dir.remove());

  it('are created once, the private one readable only by its owner, however many services start', async () => {
    const paths = keyPaths(dir.path);
    const made = await Promise.all([1, 2, 3, 4].map(() => loadKeys(paths)));
    expect(new Set(made.map(({ signing }) => signing.kid)).size).toBe(1);
    expect(fs.statSync(paths.privateKey).mode & 0o777).toBe(0o600);
    expect(fs.readFileSync(paths.publicKey, 'utf8')).toBe(made[0]?.signing.pem);
    expect(fs.readdirSync(dir.path).sort()).toEqual(['private_key.pem', 'public_key.pem']);
  });

  it('stop the start if they are damaged, foreign or incomplete; the error names the file and changes nothing', async () => {
    const paths = keyPaths(dir.path);
    const { signing } = await loadKeys(paths);
    const whole = fs.readFileSync(paths.privateKey, 'utf8');
    const other = (type: 'private' | 'public') => {
      const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      return type === 'private'
        ? pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
        : pair.publicKey.export({ type: 'spki', format: 'pem' }).toString();
    };
    const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey.export({ type: 'pkcs8', format: 'pem' });
    for (const [file, text] of [
      [paths.privateKey, ''],
      [paths.privateKey, whole.slice(0, 100)],
      [paths.privateKey, String(p384)],
      [paths.privateKey, signing.pem],
      [paths.privateKey, other('private')],
      [paths.privateKey, undefined],
      [paths.publicKey, 'rubbish'],
      [paths.publicKey, other('public')],
    ] as const) {
      fs.writeFileSync(paths.privateKey, whole);
      fs.writeFileSync(paths.publicKey, signing.pem);
      if (text === undefined) fs.rmSync(file);
      else fs.writeFileSync(file, text);
      const error = await loadKeys(paths).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(StartupError);
      expect(String(error)).toContain('key file');
      if (text !== undefined) expect(fs.readFileSync(file, 'utf8')).toBe(text);
    }
  });

  it('are completed at the next start if a rotation was interrupted', async () => {
    const paths = keyPaths(dir.path);
    const { signing } = await loadKeys(paths);
    const oldPublic = fs.readFileSync(paths.publicKey, 'utf8');
    const kid = await rotateKeys(paths, Date.now());
    fs.writeFileSync(paths.publicKey, oldPublic); // the power failed before the last step
    const keys = await loadKeys(paths);
    expect([keys.signing.kid, keys.retired.map((key) => key.kid)]).toEqual([kid, [signing.kid]]);
    expect(fs.readFileSync(paths.publicKey, 'utf8')).toBe(keys.signing.pem);
    fs.rmSync(paths.publicKey);
    await loadKeys(paths);
    expect(fs.readFileSync(paths.publicKey, 'utf8')).toBe(keys.signing.pem);
  });
});

describe.each(sqlite)('a running service', (backend) => {
  let h: Harness;
  beforeEach(async () => {
    h = await Harness.start(backend, { tokenLifetime: 600, keyWatchInterval: 20 });
  });
  afterEach(() => h.stop());

  const kids = async (): Promise<string[]> =>
    (await h.ask('GET', '/.well-known/jwks.json')).json.keys.map(({ kid }: { kid: string }) => kid);

  it('publishes its public key as PEM and as a key set without private parts', async () => {
    const { json } = await h.ask('GET', '/auth/public-key');
    expect([Object.keys(json), json.algorithm]).toEqual([['public_key', 'algorithm'], 'ES256']);
    expect(json.public_key).toBe(fs.readFileSync(path.join(h.dir.path, 'public_key.pem'), 'utf8'));
    const set = (await h.ask('GET', '/.well-known/jwks.json')).json;
    expect(Object.keys(set.keys[0]).sort()).toEqual(['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y']);
    expect(set.keys[0].kid).toBe(headerOf(h.admin).kid);
  });

  it('follows a rotation without a failed request, here and in other services, until the old key expires', async () => {
    const authUrl = await h.service.app.listen({ host: '127.0.0.1', port: 0 });
    const keys = await new RemoteKeys({ authUrl, logger: silentLogger() }).start();
    const elsewhere = new TokenVerifier({ keys, now: h.now });
    await elsewhere.verify(h.admin);
    let done = false;
    let requests = 0;
    const seen = new Set<unknown>();
    const load = async (): Promise<void> => {
      while (!done) {
        const token = await h.login('admin');
        seen.add(headerOf(token).kid);
        expect((await h.me(token)).status).toBe(200);
        expect((await h.me(h.admin)).status).toBe(200);
        await Promise.all([elsewhere.verify(token), elsewhere.verify(h.admin)]);
        requests++;
      }
    };
    const clients = [1, 2, 3].map(load);
    const paths = keyPaths(h.dir.path);
    const rotated: string[] = [];
    const operator = async (): Promise<void> => {
      for (const _ of [1, 2]) {
        const before = requests;
        await eventually(() => requests > before + 5);
        const kid = await rotateKeys(paths, h.now());
        rotated.push(kid);
        await eventually(() => seen.has(kid));
      }
    };
    const stop = (): void => {
      done = true;
    };
    await Promise.all([operator().finally(stop), ...clients.map((client) => client.finally(stop))]);
    keys.close();
    expect(await kids()).toEqual([...rotated.reverse(), headerOf(h.admin).kid]);

    h.offset = 590_000;
    expect((await h.me(h.admin)).status).toBe(200);
    h.offset = 662_000;
    await eventually(async () => (await kids()).length === 1);
    expect(fs.readdirSync(paths.retired)).toEqual([]);
  });

  it('accepts a rotation made while it was down, and still accepts the old tokens', async () => {
    await h.service.close();
    const kid = await rotateKeys(keyPaths(h.dir.path), h.now());
    await h.open();
    expect((await h.me(h.admin)).status).toBe(200);
    expect(headerOf(await h.login('admin')).kid).toBe(kid);
  });

  it('keeps its keys while the files are not valid, and drops a retired key whose file is removed', async () => {
    const paths = keyPaths(h.dir.path);
    await rotateKeys(paths, h.now());
    await eventually(async () => (await kids()).length === 2);
    const sound = fs.readFileSync(paths.privateKey, 'utf8');
    fs.writeFileSync(paths.privateKey, 'rubbish');
    for (let i = 0; i < 5; i++) expect((await h.me(await h.login('admin', PASSWORD))).status).toBe(200);
    fs.writeFileSync(paths.privateKey, sound);
    fs.rmSync(paths.retired, { recursive: true });
    await eventually(async () => (await kids()).length === 1);
    expect((await h.me(h.admin)).status).toBe(401);
  });
});
