/** The launcher with the real services, run as the programs that `npm test` has built. */
import fs from 'node:fs';
import path from 'node:path';
import { eventually, tempDir } from '@cl-server/testing';
import mqtt from 'mqtt';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { socketsToOutside } from './sockets.js';
import {
  endPlatform,
  HELD_TASK,
  jobOf,
  Launcher,
  startTestPlatform,
  submit,
  submitHash,
  type TestPlatform,
} from './support.js';

const completed = (platform: TestPlatform, token: string, id: string) =>
  eventually(
    async () => {
      const job = await jobOf(platform, token, id);
      return job.status === 'completed' && job;
    },
    { within: 60_000, what: 'the end of the job' },
  );

describe('a running platform', () => {
  let platform: TestPlatform;
  const outside = new Set<string>();
  let watching: NodeJS.Timeout | undefined;
  beforeAll(async () => {
    platform = await startTestPlatform({ held: HELD_TASK }, { WATCH_PLUGINS: 'true' });
    if (process.platform === 'linux')
      watching = setInterval(() => {
        for (const socket of socketsToOutside(platform.launcher.group().keys())) outside.add(socket);
      }, 250);
  });
  afterAll(() => {
    clearInterval(watching);
    return endPlatform(platform);
  });

  it('says once that it is ready, when every service is', async () => {
    expect(platform.launcher.readyLines).toHaveLength(1);
    for (const name of ['auth', 'store', 'compute'] as const)
      expect((await fetch(`${platform.urls[name]}/readyz`)).status).toBe(200);
  });

  it('names its real addresses in the hint, and status and doctor find them by the data folder alone', async () => {
    const { launcher, urls, dir } = platform;
    expect(launcher.stdout).toContain(`npx cl-client login ${urls.auth} -u admin`);
    const [status, doctor] = await Promise.all(
      ['status', 'doctor'].map((command) => new Launcher([command, '--data-dir', dir.path]).ended),
    );
    expect(status?.code).toBe(0);
    for (const name of ['auth', 'store', 'compute', 'mqtt'] as const) {
      expect(status?.stdout).toContain(urls[name]);
      expect(doctor?.stdout).toContain(urls[name]);
    }
    const document = await (await fetch(`${urls.auth}/.well-known/cl-server`)).json();
    const port = (name: 'store' | 'compute' | 'mqtt') => ({ port: Number(new URL(urls[name]).port) });
    expect(document).toEqual({
      product: 'cl-server',
      store: port('store'),
      compute: port('compute'),
      mqtt: port('mqtt'),
      mqtt_ws: null,
    });
  });

  it('shows each program under its name and keeps a log of each', () => {
    for (const name of ['cl-broker', 'auth-server', 'store', 'compute-server', 'compute-worker', 'm-insight-worker'])
      expect(platform.launcher.childPid(name), name).toBeDefined();
    const logs = fs.readdirSync(path.join(platform.dir.path, 'run_logs'));
    expect(logs).toEqual(
      expect.arrayContaining(['auth.log', 'broker.log', 'compute.log', 'store.log', 'worker-1.log']),
    );
  });

  it('runs a job, and sends its events to a stranger and the whole job to its owner', async () => {
    const token = await platform.token();
    const [stranger, owner] = await Promise.all([
      mqtt.connectAsync(platform.urls.mqtt, { protocolVersion: 4 }),
      mqtt.connectAsync(platform.urls.mqtt, { protocolVersion: 4, username: 'admin', password: token }),
    ]);
    try {
      const events: string[] = [];
      const statuses: string[] = [];
      stranger.on('message', (_topic, payload) => events.push(payload.toString()));
      owner.on('message', (_topic, payload) => statuses.push(payload.toString()));
      await stranger.subscribeAsync('inference/events', { qos: 1 });
      await owner.subscribeAsync('job/status/+', { qos: 1 });
      const id = await submitHash(platform, token, 'hello');
      const job = await completed(platform, token, id);
      expect(job.task_output).toMatchObject({ md5: '5d41402abc4b2a76b9719d911017c592' });
      await eventually(() => events.some((text) => text.includes(id) && text.includes('completed')));
      await eventually(() => statuses.some((text) => text.includes(id) && text.includes('task_output')));
    } finally {
      await Promise.all([stranger.endAsync(true), owner.endAsync(true)]);
    }
  });

  it.each(['cl-broker', 'auth-server', 'store', 'compute-server', 'compute-worker', 'm-insight-worker'])(
    'restarts %s after it was killed, and jobs continue',
    async (name) => {
      const token = await platform.token();
      const before = platform.launcher.kill(name);
      await eventually(() => ![undefined, before].includes(platform.launcher.childPid(name)), {
        what: `a new ${name}`,
      });
      for (const service of ['auth', 'store', 'compute'] as const)
        await eventually(async () => (await fetch(`${platform.urls[service]}/readyz`)).ok, { what: service });
      await completed(platform, token, await submitHash(platform, token, `after ${name}`));
    },
  );

  it('keeps running without a service that crashes repeatedly, and reports it in the log, by status and by doctor', async () => {
    const { launcher, urls, dir } = platform;
    const names = ['cl-broker', 'store', 'compute-server', 'compute-worker', 'm-insight-worker'];
    const pids = () => names.map((name) => launcher.childPid(name));
    const before = await eventually(() => !pids().includes(undefined) && pids());
    const args = ['auth', 'store', 'compute', 'mqtt'].flatMap((name) => [
      `--${name}-port`,
      new URL(urls[name as keyof typeof urls]).port,
    ]);
    await eventually(
      () => {
        if (launcher.childPid('auth-server') !== undefined) launcher.kill('auth-server');
        return launcher.stdout.includes('CRASH LOOP: auth');
      },
      { within: 60_000, what: 'the report of the crash loop' },
    );
    const [status, doctor] = await Promise.all(
      ['status', 'doctor'].map((command) => new Launcher([command, '--data-dir', dir.path, ...args]).ended),
    );
    expect(status?.code).toBe(1);
    expect(status?.stdout).toMatch(/auth .*crash loop: crashed \d+ times in a row, last by SIGKILL/);
    expect(status?.stderr).toMatch(/^cl-server: not ready: auth/);
    expect(doctor?.stdout).toMatch(/FAULT +│ process auth .*run_logs\/auth\.log .*crash loop/);
    expect((await fetch(`${urls.store}/livez`)).status).toBe(200);
    expect(pids()).toEqual(before);
    await eventually(async () => (await fetch(`${urls.auth}/readyz`)).ok, { within: 60_000, what: 'auth again' });
  });

  it('completes a job whose worker was killed while it ran', async () => {
    const token = await platform.token();
    const goOn = path.join(platform.signals.path, 'go-on');
    const id = await submit(platform, token, 'held', { until: goOn });
    await eventually(async () => (await jobOf(platform, token, id)).status === 'processing', { what: 'the run' });
    const before = platform.launcher.kill('compute-worker');
    await eventually(() => ![undefined, before].includes(platform.launcher.childPid('compute-worker')), {
      what: 'a new worker',
    });
    fs.writeFileSync(goOn, '');
    expect((await completed(platform, token, id)).task_output).toEqual({ done: true });
  });

  it.runIf(process.platform === 'linux')(
    'contacts nobody outside of this machine, and tells its children not to',
    () => {
      expect([...outside]).toEqual([]);
      for (const pid of platform.launcher.group().keys()) {
        if (pid === platform.launcher.pid) continue;
        expect(fs.readFileSync(`/proc/${pid}/environ`, 'utf8')).toContain('ORT_DISABLE_TELEMETRY=1');
      }
    },
  );

  it('hides everything that it writes from other users, whatever the umask was', () => {
    const { path: root } = platform.dir;
    const names = fs
      .readdirSync(root, { recursive: true, encoding: 'utf8' })
      .filter((name) => !name.startsWith('plugins')); // the test's own
    expect(names).toEqual(
      expect.arrayContaining(['store.db', 'user_auth.db', 'media', 'compute', 'run_logs/store.log']),
    );
    const open = names.filter((name) => {
      const { mode } = fs.lstatSync(path.join(root, name), { throwIfNoEntry: false }) ?? { mode: 0 };
      return (mode & 0o007) !== 0;
    });
    expect(open).toEqual([]);
  });

  it('refuses a second launcher on its data folder, and keeps running', async () => {
    const ports = ['auth', 'store', 'compute'].flatMap((name) => [`--${name}-port`, '0']);
    const second = new Launcher(['start', '--data-dir', platform.dir.path, '--mqtt-port', '0', ...ports]);
    const { code, stderr } = await second.ended;
    expect(code).toBe(1);
    expect(stderr.trim()).toBe(
      `cl-server: the data folder ${platform.dir.path} is in use by another CL Server (process ${platform.launcher.pid}): ` +
        'stop that one, or choose another folder with --data-dir',
    );
    expect((await fetch(`${platform.urls.store}/readyz`)).status).toBe(200);
  });

  it('loads a changed plugin and a new one without a restart, and lists what it has loaded', async () => {
    const token = await platform.token();
    const auth = platform.launcher.childPid('auth-server');
    const plugins = path.join(platform.dir.path, 'plugins');
    const changed = HELD_TASK.replace("version: '1'", "version: '2'").replace('done: true', 'done: false');
    fs.writeFileSync(path.join(plugins, 'held.mjs'), changed);
    fs.writeFileSync(path.join(plugins, 'fresh.mjs'), HELD_TASK.replace("'held'", "'fresh'"));
    const list = () => new Launcher(['plugins', '--data-dir', platform.dir.path]).ended;
    await eventually(async () => /│ fresh +│ in use/.test((await list()).stdout), {
      within: 90_000,
      what: 'the reload',
    });
    expect((await list()).stdout).toMatch(/│ held +│ in use +│ held\.mjs 2/);
    const until = path.join(platform.signals.path, 'reloaded');
    fs.writeFileSync(until, '');
    const ids = await Promise.all(['held', 'fresh'].map((task) => submit(platform, token, task, { until })));
    const jobs = await Promise.all(ids.map((id) => completed(platform, token, id)));
    expect(jobs.map(({ task_output }) => task_output)).toEqual([{ done: false }, { done: true }]);
    expect(platform.launcher.childPid('auth-server')).toBe(auth);
  });

  it('stops cleanly on two Ctrl-C, as under npm, and leaves nothing running', async () => {
    platform.launcher.interrupt();
    platform.launcher.interrupt();
    const { code, stdout } = await platform.launcher.ended;
    expect(code).toBe(0);
    expect(stdout.trimEnd().endsWith('Stopped.')).toBe(true);
    expect([...platform.launcher.group().values()]).toEqual([]);
  });
});

it('leaves nothing running when the launcher is killed', async () => {
  const platform = await startTestPlatform();
  try {
    expect(platform.launcher.group().size).toBeGreaterThan(5);
    process.kill(platform.launcher.pid, 'SIGKILL');
    await eventually(() => platform.launcher.group().size === 0, { what: 'the end of all children', within: 10_000 });
  } finally {
    await endPlatform(platform);
  }
});

it('leaves nothing running when the launcher is killed during the start', async () => {
  using dir = tempDir('cl-killed-');
  const ports = ['auth', 'store', 'compute'].flatMap((name) => [`--${name}-port`, '0']);
  const launcher = new Launcher(['start', '--data-dir', dir.path, '--mqtt-port', '0', ...ports]);
  await eventually(() => launcher.group().size > 3, { what: 'the first children', within: 30_000 });
  process.kill(launcher.pid, 'SIGKILL');
  await eventually(() => launcher.group().size === 0, { what: 'the end of all children', within: 30_000 });
});

it('drains what was started on Ctrl-C during the start, and leaves nothing running', async () => {
  using dir = tempDir('cl-broken-off-');
  const ports = ['auth', 'store', 'compute'].flatMap((name) => [`--${name}-port`, '0']);
  const launcher = new Launcher(['start', '--data-dir', dir.path, '--mqtt-port', '0', ...ports]);
  await eventually(() => launcher.childPid('auth-server'), { what: 'the first children', within: 30_000 });
  launcher.interrupt();
  const { code, stdout, stderr } = await launcher.ended;
  expect([code, stderr]).toEqual([0, '']);
  expect(launcher.readyLines).toEqual([]);
  expect(stdout.trimEnd().endsWith('Stopped.')).toBe(true);
  expect([...launcher.group().values()]).toEqual([]);
  expect(fs.existsSync(path.join(dir.path, 'cl-server.lock'))).toBe(false);
});
