import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { eventually, projectRoot, type TempDir, tempDir } from '@cl-server/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const BIN = path.join(projectRoot, 'services/auth/bin/auth-server.js');

interface Run {
  readonly child: ChildProcess;
  readonly exited: Promise<number | null>;
  readonly messages: { type: string; info: Record<string, unknown> }[];
  out(): string;
}

/** Starts the program as a person or the launcher does. */
describe('auth-server', () => {
  let dir: TempDir;
  let runs: Run[];
  beforeEach(() => {
    dir = tempDir();
    runs = [];
  });
  afterEach(async () => {
    for (const { child, exited } of runs) {
      child.kill('SIGKILL');
      await exited;
    }
    dir.remove();
  });

  function start(args: readonly string[], env: Record<string, string> = {}, supervised = false): Run {
    const child = spawn(process.execPath, [BIN, ...args], {
      env: { PATH: process.env.PATH, CL_SERVER_DIR: dir.path, ...env },
      stdio: supervised ? ['ignore', 'pipe', 'pipe', 'ipc'] : ['ignore', 'pipe', 'pipe'],
    });
    let text = '';
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => (text += chunk));
    const messages: Run['messages'] = [];
    child.on('message', (message) => messages.push(message as Run['messages'][number]));
    // `close` waits for the end of the output, but it never comes after a parent has disconnected.
    const exited = new Promise<number | null>((resolve) => child.on(supervised ? 'exit' : 'close', resolve));
    const run = { child, exited, messages, out: () => text };
    runs.push(run);
    return run;
  }

  const urlOf = (run: Run): Promise<string> =>
    eventually(() => /"url":"(http:[^"]+)"[^\n]*"msg":"ready"/.exec(run.out())?.[1], { what: 'auth listening' });
  const login = (url: string, password: string): Promise<Response> =>
    fetch(`${url}/auth/token`, { method: 'POST', body: new URLSearchParams({ username: 'admin', password }) });

  it('alone prints the first admin’s random password once; the password works, and a signal stops the program cleanly', async () => {
    const first = start(['--port', '0']);
    const url = await urlOf(first);
    const password = await eventually(() => /password:\s+(\S+)/.exec(first.out())?.[1]);
    expect((await login(url, password)).status).toBe(200);
    first.child.kill('SIGTERM');
    expect(await first.exited).toBe(0);
    expect(first.out().split(password)).toHaveLength(2);
    expect(fs.readFileSync(path.join(dir.path, 'user_auth.db')).includes(password)).toBe(false);

    const second = start(['--port', '0']);
    expect((await login(await urlOf(second), password)).status).toBe(200);
    expect(second.out()).not.toContain('password');
  });

  it('under a supervisor reports its address and the login, prints no password, and drains when asked to stop', async () => {
    const run = start(['--port=0'], {}, true);
    const { info } = await eventually(() => run.messages.find(({ type }) => type === 'ready'));
    const admin = info.admin as { username: string; password: string };
    expect(info).toMatchObject({ url: `http://127.0.0.1:${info.port}`, admin: { username: 'admin' } });
    expect((await login(String(info.url), admin.password)).status).toBe(200);
    expect(run.out()).not.toContain(admin.password);
    run.child.send({ type: 'drain' });
    expect(await run.exited).toBe(0);

    const given = start(['--port=0'], { ADMIN_PASSWORD: 'another-one' }, true);
    const again = await eventually(() => given.messages.find(({ type }) => type === 'ready'));
    expect(again.info).not.toHaveProperty('admin');
    given.child.disconnect();
    expect(await given.exited).toBe(1);
  });

  it('accepts the flags of docs/compatibility.md, and settings from a file, a secret file and config.yaml', async () => {
    fs.writeFileSync(path.join(dir.path, 'password'), 'from-a-file\n');
    fs.writeFileSync(path.join(dir.path, 'config.yaml'), 'access_token_expire_minutes: 5\nauth_port: 0\n');
    const keys = path.join(dir.path, 'keys');
    const flags = {
      'private-key-path': `${keys}/a.pem`,
      'public-key-path': `${keys}/b.pem`,
      'admin-username': 'admin',
    };
    const run = start(
      [
        ...Object.entries(flags).flatMap(([name, value]) => [`--${name}`, value]),
        ...['--host', '127.0.0.1', '--log-level', 'critical', '--mqtt-url', 'mqtt://localhost:1883', '--reload'],
      ],
      { ADMIN_PASSWORD_FILE: path.join(dir.path, 'password') },
      true,
    );
    const { info } = await eventually(() => run.messages.find(({ type }) => type === 'ready'));
    const { access_token } = (await (await login(String(info.url), 'from-a-file')).json()) as { access_token: string };
    const claims = JSON.parse(Buffer.from(access_token.split('.')[1] ?? '', 'base64url').toString());
    expect(claims.exp - claims.iat).toBe(300);
    expect(fs.readdirSync(keys).sort()).toEqual(['a.pem', 'b.pem']);
  });

  it('refuses to start with one line that says what to do', async () => {
    const ended = async (args: string[], env: Record<string, string> = {}): Promise<[number | null, string]> => {
      const run = start(args, env);
      return [await run.exited, run.out()];
    };
    expect(await ended(['--prot', '1'])).toEqual([2, expect.stringContaining('unknown option --prot')]);
    expect(await ended(['sing'])).toEqual([2, expect.stringContaining('migrate, rotate-keys')]);
    expect(await ended([], { CL_SERVER_DIR: '' })).toEqual([1, expect.stringContaining('CL_SERVER_DIR is not set')]);
    expect(await ended(['--no-migrate'])).toEqual([1, expect.stringContaining('auth-server migrate')]);
    expect(await ended([], { ADMIN_PASSWORD: 'x'.repeat(73) })).toEqual([2, expect.stringContaining('72 bytes')]);
    fs.writeFileSync(path.join(dir.path, 'private_key.pem'), 'rubbish');
    const [code, text] = await ended(['--port', '0']);
    expect([code, text]).toEqual([1, expect.stringContaining('private_key.pem is damaged')]);
    expect(text).not.toContain('    at ');
    expect(fs.readFileSync(path.join(dir.path, 'private_key.pem'), 'utf8')).toBe('rubbish');
  });

  it('migrates, and rotates the keys of a running server, and records the rotation', async () => {
    const migrated = start(['migrate']);
    expect([await migrated.exited, migrated.out()]).toEqual([
      0,
      'applied 0001_users, 0002_guarded, 0003_audience, 0004_sessions\n',
    ]);
    const server = start(['--port', '0', '--no-migrate'], { ADMIN_PASSWORD: 'secret-123' });
    const url = await urlOf(server);
    const { access_token } = (await (await login(url, 'secret-123')).json()) as { access_token: string };
    const rotation = start(['rotate-keys']);
    expect(await rotation.exited).toBe(0);
    const kid = /new key ([\w-]{43}):/.exec(rotation.out())?.[1];
    await eventually(async () => {
      const { keys } = (await (await fetch(`${url}/.well-known/jwks.json`)).json()) as { keys: { kid: string }[] };
      return keys.length === 2 && keys[0]?.kid === kid;
    });
    const audit = await fetch(`${url}/audit?action=keys.rotated`, {
      headers: { authorization: `Bearer ${access_token}` },
    });
    expect([audit.status, await audit.json()]).toEqual([200, expect.objectContaining({ total: 1 })]);
  });
});
