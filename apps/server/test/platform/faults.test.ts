/** Errors in the set-up produce one clear line each and an exit code, without a stack, and leave nothing running. */
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { type TempDir, tempDir } from '@cl-server/testing';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Launcher } from './support.js';

let dir: TempDir;
beforeEach(() => {
  dir = tempDir('cl-faults-');
});
afterEach(() => dir.remove());

const free = ['auth', 'store', 'compute'].flatMap((name) => [`--${name}-port`, '0']);

async function refusal(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<string[]> {
  const launcher = new Launcher(args, { MQTT_PORT: '0', CL_SERVER_DIR: path.join(dir.path, 'data'), ...env });
  const { code, stderr, stdout } = await launcher.ended;
  expect(code).toBeGreaterThan(0);
  expect(stderr + stdout).not.toMatch(/^\s+at .+:\d+/m);
  expect([...launcher.group().values()]).toEqual([]);
  return stderr.trim().split('\n');
}

it('names a port in use and its flag before anything starts', async () => {
  const server = net.createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as net.AddressInfo;
  const lines = await refusal([...free, '--store-port', String(port)]);
  server.close();
  expect(lines).toEqual([
    `cl-server: port ${port} (store) is in use: stop the program that uses it, or choose another with --store-port`,
  ]);
  expect(fs.existsSync(path.join(dir.path, 'data/run_logs'))).toBe(false);
});

it('names both flags if one port is used twice', async () => {
  const server = net.createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as net.AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  const lines = await refusal(['--auth-port', String(port), '--store-port', String(port), '--compute-port', '0']);
  expect(lines).toEqual([`cl-server: port ${port} is used twice, by --auth-port and by --store-port`]);
});

it('names the flag of an address that this machine does not have', async () => {
  const lines = await refusal([...free, '--host', '203.0.113.7']);
  expect(lines).toEqual(['cl-server: 203.0.113.7 is not an address of this machine: choose another with --host']);
});

it('reports all invalid settings at once', async () => {
  fs.mkdirSync(path.join(dir.path, 'data'));
  fs.writeFileSync(path.join(dir.path, 'data/config.yaml'), 'wrokers: 3\n');
  const lines = await refusal(['--no-such-flag', '--workers', 'many'], { LOG_LEVEL: 'loud' });
  expect(lines).toEqual([
    expect.stringContaining('unknown option --no-such-flag'),
    expect.stringContaining('unknown key wrokers'),
    expect.stringContaining('--workers: expected a whole number'),
    expect.stringContaining('LOG_LEVEL: expected one of'),
  ]);
});

it('reports an unknown command, and lists the known ones', async () => {
  const lines = await refusal(['strat']);
  expect(lines[0]).toBe('cl-server: unknown command "strat", did you mean start?');
  expect(lines.join('\n')).toMatch(/^ {2}doctor /m);
});

it('reports a data folder that is not writable', async () => {
  fs.writeFileSync(path.join(dir.path, 'file'), '');
  for (const folder of [path.join(dir.path, 'file'), path.join(dir.path, 'file/below'), '/proc/cl-server']) {
    const lines = await refusal([...free, '--data-dir', folder]);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain(`cl-server: the data folder ${folder} `);
  }
});

it('names missing tools and what to do', async () => {
  const lines = await refusal(free, { PATH: dir.path, FFPROBE_PATH: '/no/ffprobe' });
  expect(lines).toEqual([
    expect.stringMatching(/^cl-server: ffmpeg is missing; .*apt-get install ffmpeg/),
    expect.stringMatching(/^cl-server: ffprobe is missing; .*FFPROBE_PATH names \/no\/ffprobe, which is not a program/),
    expect.stringMatching(/^cl-server: perl is missing; .*apt-get install perl/),
  ]);
});
