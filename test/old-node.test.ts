/** Programs on an old Node: what they download, on what they continue, and their messages if they cannot. */
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { eventually, projectRoot } from '@cl-server/testing';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { OldNode } from './support/old-node.js';

let old: OldNode;
beforeEach(async () => {
  old = await OldNode.start();
});
afterEach(() => old.close());

const alive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

it('a program continues on a Node that is downloaded once, with its own npm, and says so in one line', async () => {
  const first = await old.run(['fail', 'two words']).ended;
  expect(first.told).toEqual([expect.stringMatching(/^cl-server: this is Node 20\.20\.2, .*: fetching Node \d/)]);
  expect(first.code).toBe(9);
  const [home = ''] = old.cached;
  const bin = path.join(old.cache, 'cl-server', home, 'bin');
  const { args, found, names } = JSON.parse(first.stdout);
  expect(args).toEqual(['fail', 'two words']);
  expect(found).toEqual([...['node', 'npm', 'npx'].map((name) => `${bin}/${name}`), 'npm of the fetched Node']);
  expect(names).toEqual([]);

  const asked = old.asked.length;
  const second = await old.run([]).ended;
  expect(second).toMatchObject({ code: 0, told: [] });
  expect(old.asked.length).toBe(asked);
  expect(old.cached).toEqual([home]);
});

it('a Node that is new enough is used as it is, and nothing is downloaded', async () => {
  const { code, told, stdout } = await old.run([], { old: false }).ended;
  expect({ code, told }).toEqual({ code: 0, told: [] });
  expect(JSON.parse(stdout).found).not.toContain('npm of the fetched Node');
  expect(old.asked).toEqual([]);
});

it('the scripts of package.json continue there, too', async () => {
  const { code, told } = await old.run(['strat'], { file: 'scripts/bootstrap.js' }).ended;
  expect(code).toBe(1);
  expect(told).toEqual([
    expect.stringMatching(/fetching Node/),
    expect.stringMatching(/^cl-server: unknown command strat: /),
  ]);
  const { scripts } = JSON.parse(fs.readFileSync(path.join(projectRoot, 'package.json'), 'utf8'));
  for (const script of Object.values(scripts)) expect(script).toMatch(/^exec node scripts\/bootstrap\.js \w+( \w+)?$/);
});

it('two programs at once download into one folder, and leftovers of an earlier one are removed', async () => {
  const leftover = path.join(old.cache, 'cl-server/node.part-old');
  fs.mkdirSync(leftover, { recursive: true });
  fs.utimesSync(leftover, 0, 0);
  const both = await Promise.all([old.run([]).ended, old.run([]).ended]);
  expect(both.map(({ code }) => code)).toEqual([0, 0]);
  expect(old.cached).toEqual([expect.stringMatching(/^node-[\d.]+-npm-11\.0\.0-\w+-\w+$/)]);
});

it('an interrupted download leaves nothing that would be used', async () => {
  old.stalls = true;
  const broken = old.run([]);
  await eventually(() => old.asked.some((url) => url.endsWith('archive.tgz')));
  broken.child.kill('SIGKILL');
  await broken.ended;
  old.stalls = false;
  expect(await old.run([]).ended).toMatchObject({ code: 0, told: [expect.stringMatching(/fetching/)] });
});

it('a folder in the project is used if the user’s is not writable', async () => {
  const env = { XDG_CACHE_HOME: '/dev/null/cache', HOME: '/dev/null', npm_config_cache: '/dev/null/npm' };
  const { code, stdout } = await old.run([], { env }).ended;
  expect(code).toBe(0);
  expect(JSON.parse(stdout).found[0]).toMatch(new RegExp(`^${old.project}/.cache/node-`));
});

it.each([
  ['the archive is not the expected one', { changed: 'sha512-AAAA' }, {}, 'its checksum differs'],
  ['there is none for the machine', { platform: 'other-machine' }, {}, 'there is none to fetch for'],
  [
    'the registry is away',
    {},
    { npm_config_registry: 'http://127.0.0.1:9/' },
    'the package registry cannot be reached',
  ],
])('one line names the Node to install where %s', async (_, pin, env, reason) => {
  old.pin(pin);
  const { code, told, stdout } = await old.run([], { env }).ended;
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(told.at(-1)).toMatch(/^cl-server: this is Node 20\.20\.2, and 22\.14 or newer is needed: install Node \d+, /);
  expect(told.at(-1)).toContain(reason);
  expect(told.filter((line) => !line.includes('fetching Node'))).toHaveLength(1);
  expect(old.cached).toEqual([]);
});

it('a program that is installed elsewhere ends with one line and an exit code', async () => {
  fs.rmSync(path.join(old.project, 'scripts'), { recursive: true });
  expect(await old.run([]).ended).toMatchObject({
    code: 1,
    stdout: '',
    told: ['cl-server: this is Node 20.20.2, and 22.14 or newer is needed: install Node 24'],
  });
});

it('signals reach the continued program, its exit code is passed on, and it never outlives the process it continues', async () => {
  const started = async () => {
    const running = old.run(['wait']);
    return { ...running, pid: JSON.parse(await running.firstLine()).pid as number };
  };
  for (const [signal, code] of [
    ['SIGTERM', 7],
    ['SIGINT', 8],
  ] as const) {
    const running = await started();
    running.child.kill(signal);
    expect(await running.ended).toMatchObject({ code, signal: null });
  }
  const killed = await started();
  process.kill(killed.pid, 'SIGKILL');
  expect(await killed.ended).toMatchObject({ code: null, signal: 'SIGKILL' });

  const orphaned = await started();
  orphaned.child.kill('SIGKILL');
  await once(orphaned.child, 'exit');
  await eventually(() => !alive(orphaned.pid));
});

it('every program starts with the check of Node', () => {
  const folders = ['apps', 'services', 'packages'].flatMap((floor) =>
    fs.readdirSync(path.join(projectRoot, floor)).map((name) => path.join(projectRoot, floor, name)),
  );
  for (const folder of folders) {
    const { name, bin = {}, engines } = JSON.parse(fs.readFileSync(path.join(folder, 'package.json'), 'utf8'));
    expect({ name, engines }).toEqual({ name, engines: { node: '>=22.14.0' } });
    for (const file of Object.values<string>(bin))
      expect(fs.readFileSync(path.join(folder, file), 'utf8')).toMatch(
        /^#!\/usr\/bin\/env node\nimport \{ onSupportedNode \} from '@cl-server\/contract\/supported-node';\n\nonSupportedNode\(/,
      );
  }
});
