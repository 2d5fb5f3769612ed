import fs from 'node:fs';
import path from 'node:path';
import { hasFfmpeg, type TempDir, tempDir } from '@cl-server/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Ended, Launcher } from '../platform/support.js';

let dir: TempDir;
beforeEach(() => {
  dir = tempDir('cl-commands-');
});
afterEach(() => dir.remove());

const run = (args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ended> =>
  new Launcher(args, { CL_SERVER_DIR: path.join(dir.path, 'data'), ...env }).ended;

describe('doctor', () => {
  it.skipIf(!hasFfmpeg())('names every requirement with its version, and creates nothing', async () => {
    const { code, stdout } = await run(['doctor']);
    expect(code).toBe(0);
    for (const name of [
      'Node',
      'ffmpeg',
      'ffprobe',
      'perl',
      'better-sqlite3',
      'sharp',
      'onnxruntime-node',
      'data folder',
    ])
      expect(stdout).toMatch(new RegExp(`│ ok +│ ${name} `));
    expect(stdout).toContain(process.versions.node);
    expect(fs.existsSync(path.join(dir.path, 'data'))).toBe(false);
  });

  it('names what is missing and what to do, with an exit code', async () => {
    const { code, stdout, stderr } = await run(['doctor'], {
      FFMPEG_PATH: '/no/ffmpeg',
      MQTT_URL: 'mqtt://127.0.0.1:9',
    });
    expect(code).toBe(1);
    expect(stdout).toMatch(/MISSING │ ffmpeg .*FFMPEG_PATH names \/no\/ffmpeg/);
    expect(stdout).toMatch(/MISSING │ MQTT broker .*127\.0\.0\.1:9 .*does not answer/);
    expect(stderr).toMatch(/^cl-server: missing: ffmpeg, MQTT broker/);
  });
});

it('each command has its own help, and what is unknown gets a suggestion', async () => {
  const help = (await run(['doctor', '--help'])).stdout;
  expect(help).toMatch(/^cl-server doctor: Check all requirements/);
  expect(help).not.toContain('--workers');
  expect((await run(['--help'])).stdout).toMatch(/--workers[\s\S]*\n {2}doctor /);
  const refused = async (...args: string[]) => {
    const { code, stderr } = await run(args);
    expect(code).toBe(2);
    return stderr;
  };
  expect(await refused('--prot', '1')).toContain('unknown option --prot, did you mean --auth-port, --store-port');
  expect(await refused('strat')).toContain('unknown command "strat", did you mean start?');
  expect(await refused('status', 'now')).toContain('status takes no argument "now"');
});

it('status of a platform that is not running says so for each part, with an exit code', async () => {
  const ports = { AUTH_PORT: '9', STORE_PORT: '9', COMPUTE_PORT: '9', MQTT_PORT: '9' };
  const { code, stdout, stderr } = await run(['status'], ports);
  expect(code).toBe(1);
  expect(stdout.match(/no answer/g)).toHaveLength(4);
  expect(stderr.trim()).toBe('cl-server: not ready: auth, store, compute, mqtt');
});

it('shows its version', async () => {
  expect(await run(['--version'])).toMatchObject({ code: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) });
});

it('migrate updates all tables, and has nothing to do the second time', async () => {
  const first = await run(['migrate']);
  expect(first.code).toBe(0);
  expect(first.stdout).toMatch(/applied/);
  expect(fs.readdirSync(path.join(dir.path, 'data'))).toEqual(expect.arrayContaining(['store.db', 'user_auth.db']));
  const second = await run(['migrate']);
  expect(second.code).toBe(0);
  expect(second.stdout).not.toMatch(/applied/);
});

it('without migrations a service refuses to start, and the launcher shows its message and ends', async () => {
  const ports = ['--auth-port', '0', '--store-port', '0', '--compute-port', '0', '--mqtt-port', '0'];
  const { code, stdout, stderr } = await run(['start', '--no-migrate', ...ports]);
  expect(code).toBe(1);
  // The services start side by side; the first one that refuses ends the start.
  expect(stdout).toMatch(/[\w-]+: the database lacks .* run "[\w -]*migrate" first/);
  expect(stderr.trim()).toMatch(/^cl-server: [\w-]+ did not start \(exit code 1\)$/);
});

it('plugins shows the built-in tasks and a broken one of the plugin folder with its reason', async () => {
  fs.mkdirSync(path.join(dir.path, 'data/plugins'), { recursive: true });
  fs.writeFileSync(path.join(dir.path, 'data/plugins/broken.js'), 'export const nothing = 1;');
  const { code, stdout, stderr } = await run(['plugins']);
  expect(code).toBe(1);
  expect(stdout).toMatch(/│ hash +│ found/);
  expect(stdout).toContain('No platform runs on this data folder');
  expect(stdout).toMatch(/│ broken +│ failed .*no default export/);
  expect(stderr).toMatch(/1 of \d+ plugins cannot be used/);
});

describe('models', () => {
  it('lists each model with its licence and its role', async () => {
    const { code, stdout } = await run(['models']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/yunet\S* +│ present │ face_detection +│ .*MIT/);
    expect(stdout).toMatch(/dinov2\S* +│ missing │ dino_image +│ .*Apache-2\.0/);
  });

  it('refuses an unknown model and an unknown role', async () => {
    expect((await run(['models', 'pull', 'nope'])).stderr).toContain('unknown model nope');
    expect((await run(['models', 'use', 'nope'])).stderr).toContain('unknown role nope; the roles are clip_image');
  });
});
