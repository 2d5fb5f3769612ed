/** Tests the command line against a whole platform that is started for this file. */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { hasMedia, mediaFile, projectRoot, type TempDir, tempDir } from '@cl-server/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { endPlatform, PASSWORD, startTestPlatform, type TestPlatform } from '../../server/test/platform/support.js';
import { EXIT, main } from '../src/index.js';
import { run, testWorld } from './support/world.js';

const built = fs.existsSync(path.join(projectRoot, 'apps/server/dist/main.js'));

describe.runIf(built)('cl-client', () => {
  let platform: TestPlatform;
  let home: TempDir;
  let env: Record<string, string>;
  const cl = (...args: string[]) => run(env, args);

  beforeAll(async () => {
    platform = await startTestPlatform();
    home = tempDir();
    const { auth, store, compute, mqtt } = platform.urls;
    env = { CL_CONFIG_DIR: home.path, AUTH_URL: auth, STORE_URL: store, COMPUTE_URL: compute, MQTT_URL: mqtt };
    expect((await cl('login', '-u', 'admin', '-p', PASSWORD)).code).toBe(EXIT.ok);
  }, 120_000);
  afterAll(async () => {
    if (platform) await endPlatform(platform);
    home?.remove();
  });

  const folder = (files: Readonly<Record<string, string>>): TempDir => {
    const dir = tempDir();
    for (const [name, content] of Object.entries(files)) {
      fs.mkdirSync(path.dirname(path.join(dir.path, name)), { recursive: true });
      fs.writeFileSync(path.join(dir.path, name), content);
    }
    return dir;
  };

  it('saves a token that only its owner can read, and no password', () => {
    const file = path.join(home.path, 'sessions.json');
    expect(fs.statSync(file).mode & 0o077).toBe(0);
    expect(fs.readFileSync(file, 'utf8')).not.toContain(PASSWORD);
  });

  it('does not send the token to another auth service', async () => {
    const elsewhere = await run({ ...env, AUTH_URL: platform.urls.auth.replace('127.0.0.1', 'localhost') }, ['whoami']);
    expect(elsewhere.code).toBe(EXIT.auth);
  });

  it('shows who is logged in', async () => {
    expect((await cl('whoami', '--json')).json()).toMatchObject({ username: 'admin', is_admin: true });
  });

  it('works without a login file, with the environment only', async () => {
    const bare = { ...env, CL_CONFIG_DIR: path.join(home.path, 'none') };
    expect((await run(bare, ['jobs', 'list', '--json'])).code).toBe(EXIT.auth);
    const { code } = await run({ ...bare, CL_USERNAME: 'admin', CL_PASSWORD: PASSWORD }, ['jobs', 'list', '--json']);
    expect(code).toBe(EXIT.ok);
    const token = (await cl('token')).out.trim();
    expect((await run({ ...bare, CL_TOKEN: token }, ['jobs', 'list', '--json'])).code).toBe(EXIT.ok);
  });

  it('accepts a login before any command, for that command only', async () => {
    const kept = fs.readFileSync(path.join(home.path, 'sessions.json'), 'utf8');
    const admin = ['--username', 'admin', '--password', PASSWORD];
    const { id } = (await cl(...admin, 'user', 'create', 'eve', 'her password 1', '--json')).json<{ id: number }>();
    const eve = ['--username', 'eve', '--password', 'her password 2'];
    // The first password is the caller's, the second one the new user's.
    expect((await cl(...admin, 'user', 'update', 'eve', '--password', 'her password 2')).code).toBe(EXIT.ok);
    expect((await cl(...eve, 'whoami', '--json')).json()).toMatchObject({ id, username: 'eve' });
    const asEve = { ...env, CL_USERNAME: 'eve', CL_PASSWORD: 'her password 2' };
    expect((await run(asEve, ['whoami', '--quiet'])).out.trim()).toBe('eve');
    expect((await cl('--username', 'admin', '--password', 'not this', 'whoami')).code).toBe(EXIT.auth);
    expect((await cl('--no-auth', 'whoami')).code).toBe(EXIT.auth);
    await cl('user', 'delete', 'eve', '--yes');
    expect(fs.readFileSync(path.join(home.path, 'sessions.json'), 'utf8')).toBe(kept);
  });

  it('refuses a wrong password on stderr, with nothing on stdout', async () => {
    const { code, out, err } = await cl('login', '-u', 'admin', '-p', 'wrong password');
    expect({ code, out }).toEqual({ code: EXIT.auth, out: '' });
    expect(err).toMatch(/password/i);
    expect(err).not.toMatch(/^ +at /m);
  });

  it('manages users', async () => {
    const created = await cl(
      'user',
      'create',
      'ann',
      'long enough 1',
      '-p',
      'media_store_write,ai_inference_support',
      '--json',
    );
    const { id } = created.json<{ id: number }>();
    expect((await cl('user', 'update', 'ann', '--inactive', '--json')).json()).toMatchObject({ is_active: false });
    expect((await cl('user', 'list', '--quiet')).out.split('\n')).toContain(String(id));
    expect((await cl('user', 'delete', 'ann')).code).toBe(EXIT.usage);
    expect((await cl('user', 'delete', 'ann', '--yes')).code).toBe(EXIT.ok);
    expect((await cl('user', 'get', 'ann')).code).toBe(EXIT.notFound);
  });

  it('uploads a folder once, and only new files the second time', async () => {
    using dir = folder({ 'a.jpg': 'one', 'sub/b.jpg': 'two', 'sub/.hidden.jpg': 'no', 'notes.txt': 'no media' });
    const first = await cl('store', 'upload', dir.path, '--json');
    expect(first.code).toBe(EXIT.ok);
    const outcomes = (ran: typeof first) =>
      ran.json<{ file: string; outcome: string }[]>().map(({ file, outcome }) => `${file} ${outcome}`);
    expect(outcomes(first)).toEqual(['a.jpg uploaded', 'sub/b.jpg uploaded']);
    fs.writeFileSync(path.join(dir.path, 'c.jpg'), 'three');
    const second = await cl('store', 'upload', dir.path, '--recursive', '--json');
    expect(outcomes(second)).toEqual(['a.jpg present', 'c.jpg uploaded', 'sub/b.jpg present']);
  });

  it('reports how far an upload came when it is interrupted', async () => {
    using dir = folder(Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`${i}.jpg`, `interrupted ${i}`])));
    const interrupt = new AbortController();
    const world = testWorld(env, '', interrupt.signal);
    const write = world.stdout.write.bind(world.stdout);
    world.stdout.write = ((text: string) => {
      if (text.includes('7.jpg')) interrupt.abort();
      return write(text);
    }) as typeof world.stdout.write;
    expect(await main(['store', 'upload', dir.path, '-r', '-c', '2', '--ndjson'], world)).toBe(EXIT.interrupted);
    const sent = world.out().trim().split('\n').length;
    expect(sent).toBeLessThan(40);
    const again = await cl('store', 'upload', dir.path, '-r');
    const [, uploaded, present] =
      /(\d+) uploaded, (\d+) already on the server, 0 failed/.exec(again.err)?.map(Number) ?? [];
    expect(present).toBeGreaterThanOrEqual(sent);
    expect((uploaded ?? 0) + (present ?? 0)).toBe(40);
  });

  it('continues when one of several files fails, and exits with a failure', async () => {
    using dir = folder({ 'good.jpg': 'fine', 'bad.jpg': 'gone' });
    fs.chmodSync(path.join(dir.path, 'bad.jpg'), 0);
    const unreadable = process.getuid?.() === 0 ? path.join(dir.path, 'good.jpg') : path.join(dir.path, 'bad.jpg');
    const tasks = [path.join(dir.path, 'good.jpg'), unreadable];
    const { code, err } = await cl('image-conversion', 'convert', ...tasks, '--format', 'png', '--json');
    expect(code).toBe(EXIT.failed);
    expect(err).toContain('2 of 2 failed');
    const bad = path.join(dir.path, 'good.jpg');
    const one = await cl('media-thumbnail', 'generate', bad, '--ndjson');
    expect(one.json()).toMatchObject({ input: 'good.jpg', status: 'failed', error: { message: expect.any(String) } });
    const two = await cl('media-thumbnail', 'generate', bad, bad, '--ndjson');
    expect([two.code, two.out.trim().split('\n').length]).toEqual([EXIT.failed, 2]);
    fs.writeFileSync(path.join(dir.path, 'empty.jpg'), '');
    expect((await cl('store', 'upload', path.join(dir.path, 'empty.jpg'))).err).toContain('the file is empty');
  });

  it('changes only the given fields', async () => {
    const { id } = (await cl('store', 'create', 'Album', '--description', 'kept', '--json')).json<{ id: number }>();
    await cl('store', 'patch', String(id), '--label', 'Album 2');
    const entity = (await cl('store', 'get', String(id), '--json')).json();
    expect(entity).toMatchObject({ label: 'Album 2', description: 'kept' });
    expect((await cl('store', 'versions', String(id), '--quiet')).out).toBe('1\n2\n');
    expect((await cl('store', 'restore', String(id), '--version', '1', '--json')).json()).toMatchObject({
      label: 'Album',
    });
    expect((await cl('store', 'search', 'albu', '--quiet')).out).toContain(String(id));
    await cl('store', 'update', String(id), '--label', 'Album 3', '--clear', 'description');
    expect((await cl('store', 'get', String(id), '--json')).json()).toMatchObject({
      label: 'Album 3',
      description: null,
    });
    expect((await cl('store', 'update', String(id))).code).toBe(EXIT.usage);
    expect((await cl('store', 'delete', String(id), '--permanently', '--yes')).code).toBe(EXIT.ok);
    expect((await cl('store', 'get', String(id))).code).toBe(EXIT.notFound);
  });

  const collection = async (label: string, ...more: string[]): Promise<string> =>
    String((await cl('store', 'create', label, ...more, '--json')).json<{ id: number }>().id);
  const stored = async (parent: string, files: Readonly<Record<string, string>>): Promise<string[]> => {
    using dir = folder(files);
    const names = Object.keys(files).map((name) => path.join(dir.path, name));
    const ran = await cl('store', 'upload', ...names, '--parent', parent, '--quiet');
    return ran.out.trim().split('\n');
  };

  it('moves to the trash, and deletes permanently only on request and after a question', async () => {
    const album = await collection('Harbour');
    const [one = '', two = ''] = await stored('Harbour', { 'h1.jpg': 'harbour 1', 'h2.jpg': 'harbour 2' });
    await cl('store', 'create', 'Boats', '--parent', 'Harbour');
    const trashed = await cl('store', 'delete', album, one);
    expect(trashed.err).toContain('Moved to the trash');
    expect(trashed.err).toContain(`cl-client store restore ${album} ${one}`);
    expect((await cl('store', 'list', '--trash', '--quiet')).out.trim().split('\n')).toEqual([one, album]);
    expect((await cl('store', 'list', '--trash')).out).toContain('\tin trash\n');
    expect((await cl('store', 'list', '--deleted', '--parent', album)).out).toContain('collection in trash');
    const list = await run(env, ['store', 'restore', '-'], `${album}\n${one}, ${two}\n`);
    expect([list.code, list.err.match(/Restored/g)?.length]).toEqual([EXIT.ok, 2]);
    expect(list.err).toContain(`${two} h2.jpg is not in the trash`);
    await cl('store', 'delete', 'Harbour');
    const other = await collection('Harbour');
    expect((await cl('store', 'restore', two)).err).toContain('in the trash with its collection: Harbour/h2.jpg');
    expect((await cl('store', 'restore', 'Harbour')).err).toContain(`Restored ${album} Harbour`);
    expect((await cl('store', 'restore', 'Harbour')).err).toContain('There is no collection Harbour in the trash');
    await cl('store', 'delete', other, '--permanently', '-y');
    const refused = await cl('store', 'delete', '--permanently', album);
    expect(refused.code).toBe(EXIT.usage);
    expect(refused.err).toContain('Harbour, with 2 files and 1 collection inside? Pass --yes');
    expect((await cl('store', 'get', album)).code).toBe(EXIT.ok);
    await cl('store', 'delete', one);
    expect((await cl('store', 'delete', '--permanently', '-y', one, 'Harbour')).code).toBe(EXIT.ok);
    expect((await cl('store', 'get', two)).err).toContain(`Entity ${two} was not found`);
    expect((await cl('store', 'list', '--trash')).err).toContain('No results');
  });

  it('moves many items into a collection that is given by its path', async () => {
    await collection('Year');
    const inner = await collection('Summer', '--parent', 'Year');
    const ids = await stored('Year', { 's1.jpg': 'summer 1', 's2.jpg': 'summer 2' });
    expect((await run(env, ['store', 'update', '-', '--parent', 'Year/Summer'], ids.join('\n'))).code).toBe(EXIT.ok);
    expect((await cl('store', 'list', '--parent', 'Year/Summer', '--quiet')).out.trim().split('\n').sort()).toEqual(
      [...ids].sort(),
    );
    expect((await cl('store', 'update', 'Year/Summer', '--parent', '/', '--json')).json()).toMatchObject({
      id: Number(inner),
      parent_id: null,
    });
    await cl('store', 'delete', 'Year', 'Summer', '--permanently', '--yes');
  });

  it('downloads collections as folders, and never overwrites unasked', async () => {
    using dir = tempDir();
    await collection('Trip');
    await collection('Day 1', '--parent', 'Trip');
    const [id = ''] = await stored('Trip', { 'x.jpg': 'trip x' });
    await stored('Trip/Day 1', { 'x.jpg': 'day x', 'y.jpg': 'day y' });
    const at = (...names: string[]): string => path.join(dir.path, ...names);
    expect((await cl('store', 'download', 'Trip', '-o', dir.path)).code).toBe(EXIT.ok);
    expect(fs.readFileSync(at('Trip', 'x.jpg'), 'utf8')).toBe('trip x');
    expect(fs.readFileSync(at('Trip', 'Day 1', 'x.jpg'), 'utf8')).toBe('day x');
    fs.writeFileSync(at('Trip', 'x.jpg'), 'mine');
    const again = await cl('store', 'download', 'Trip', '-o', dir.path);
    expect([again.code, again.err]).toEqual([EXIT.conflict, expect.stringContaining('3 of 3 files exist already')]);
    expect((await cl('store', 'download', 'Trip', '-o', dir.path, '--skip-existing')).code).toBe(EXIT.ok);
    const one = await cl('store', 'download', id, '-o', at('Trip'));
    expect([one.code, one.err]).toEqual([EXIT.conflict, expect.stringContaining('--overwrite')]);
    expect(fs.readFileSync(at('Trip', 'x.jpg'), 'utf8')).toBe('mine');
    expect((await cl('store', 'download', id, '-o', at('Trip'), '--overwrite')).code).toBe(EXIT.ok);
    expect(fs.readFileSync(at('Trip', 'x.jpg'), 'utf8')).toBe('trip x');
    expect((await cl('store', 'get', id, '-o', at('Trip', 'x.jpg'))).code).toBe(EXIT.conflict);
    const all = await cl('store', 'download', '--all', '-o', at('all'), '--json');
    expect(all.code).toBe(EXIT.ok);
    expect(fs.readFileSync(at('all', 'Trip', 'Day 1', 'y.jpg'), 'utf8')).toBe('day y');
    expect((await cl('store', 'download')).code).toBe(EXIT.usage);
    await cl('store', 'delete', 'Trip', '--permanently', '--yes');
  });

  it('refuses filters that it does not know', async () => {
    for (const words of ['--type foo', '--mime-type x', '--sha256 12', '--min-size 5apples', '--from soon'])
      expect([words, (await cl('store', 'list', ...words.split(' '))).code]).toEqual([words, EXIT.usage]);
    expect((await cl('store', 'list', '--min-size', '5MB', '--from', '7d', '--to', 'yesterday')).err).toContain(
      'No results',
    );
  });

  it('runs a task on one file, and on many', async () => {
    using dir = folder({ '1.txt': 'one', '2.txt': 'two', '3.txt': 'three' });
    const one = await cl('hash', 'compute', path.join(dir.path, '1.txt'), '--watch', '--json');
    expect(one.json<{ task_output: object }>().task_output).toMatchObject({ size: 3 });
    const many = await cl('hash', 'compute', path.join(dir.path, '*.txt'), '--ndjson', '--rm');
    const lines = many.out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { input: string; job_id: string });
    expect(lines.map(({ input }) => input)).toEqual(['1.txt', '2.txt', '3.txt']);
    expect((await cl('jobs', 'get', lines[0]?.job_id ?? '')).code).toBe(EXIT.notFound);
    const list = await run(env, ['hash', 'compute', '-', '--quiet'], `${dir.path}/1.txt\n${dir.path}/2.txt\n`);
    expect(list.out.trim().split('\n')).toHaveLength(2);
  });

  it('runs a task on stored files and collections, and keeps the folders of inputs apart', async () => {
    using dir = folder({ 'a/x.txt': 'a x', 'b/x.txt': 'b x' });
    await collection('Inputs');
    const [one = ''] = await stored('Inputs', { 'one.jpg': 'input one', 'two.jpg': 'input two' });
    const files = (name: string): string[] =>
      (fs.readdirSync(path.join(dir.path, name), { recursive: true }) as string[]).filter((file) => file.includes('.'));
    const to = (name: string): string[] => ['--output-dir', path.join(dir.path, name)];
    await cl('hash', 'compute', path.join(dir.path, 'a/x.txt'), path.join(dir.path, 'b/x.txt'), ...to('out'));
    expect(files('out').sort()).toEqual(['a/x.json', 'b/x.json']);
    const ran = await cl('hash', 'compute', '--entity', 'Inputs', `entity:${one}`, ...to('entities'), '--json');
    const inputs = ran.json<{ input: string; task_output: { size: number } }[]>();
    expect(inputs.map(({ input, task_output }) => [input, task_output.size]).sort()).toEqual([
      ['Inputs/one.jpg', 9],
      ['Inputs/two.jpg', 9],
      ['one.jpg', 9],
    ]);
    expect(files('entities').sort()).toEqual(['Inputs/one.json', 'Inputs/two.json', 'one.json']);
    expect((await cl('run', 'hash', '--entity', one, '--quiet')).code).toBe(EXIT.ok);
    expect((await cl('hash', 'compute')).code).toBe(EXIT.usage);
    expect((await cl('hash', 'compute', 'entity:999999')).err).toContain('Entity 999999 was not found');
    await cl('store', 'delete', 'Inputs', '--permanently', '--yes');
  });

  it('shows the value that matters of each of several results', async () => {
    using dir = folder({ '1.txt': 'one', '2.txt': 'two' });
    const { out } = await cl('hash', 'compute', `${dir.path}/*.txt`, '--algorithm', 'md5');
    expect(out).toMatch(/^1\.txt\tcompleted\t[\da-f-]{36}\tf97c5d29941bfb1b2fdab0874906ab82\n/);
  });

  it('saves results under the names of the inputs', async () => {
    using dir = folder({ 'a.txt': 'one', 'b.txt': 'two' });
    const to = path.join(dir.path, 'results');
    await cl('exif', 'extract', path.join(dir.path, 'a.txt'), path.join(dir.path, 'b.txt'), '--output-dir', to);
    expect(fs.readdirSync(to)).toEqual(['a.json', 'b.json']);
    await cl('exif', 'extract', path.join(dir.path, 'a.txt'), '--output', dir.path);
    expect(fs.existsSync(path.join(dir.path, 'a.json'))).toBe(true);
    fs.writeFileSync(path.join(dir.path, 'a.json'), 'mine');
    for (const dest of [dir.path, path.join(dir.path, 'a.json')])
      expect((await cl('exif', 'extract', path.join(dir.path, 'a.txt'), '-o', dest)).code).toBe(EXIT.conflict);
    expect(fs.readFileSync(path.join(dir.path, 'a.json'), 'utf8')).toBe('mine');
    const replaced = ['exif', 'extract', path.join(dir.path, 'a.txt'), '-o', dir.path, '--overwrite'];
    expect((await cl(...replaced)).code).toBe(EXIT.ok);
    expect(fs.readFileSync(path.join(dir.path, 'a.json'), 'utf8')).not.toBe('mine');
  });

  it('accepts the commands and options of docs/compatibility.md', async () => {
    using dir = folder({ 'old.jpg': 'old ways' });
    const created = await cl('store', 'create', '--label', 'Old ways', '--collection', '--json');
    const { id: parent } = created.json<{ id: number }>();
    const file = path.join(dir.path, 'old.jpg');
    const sent = await cl('--json', 'store', 'upload', file, '--label', 'Old', '--parent-id', String(parent), '--yes');
    const { id, parent_id } = sent.json<{ id: number; parent_id: number }>();
    expect(parent_id).toBe(parent);
    const saved = path.join(dir.path, 'saved.json');
    const read = <T>(): T => JSON.parse(fs.readFileSync(saved, 'utf8')) as T;
    expect((await cl('store', 'get', String(id), '--version', '1', '-o', saved)).out).toBe('');
    expect(read()).toMatchObject({ id, label: 'Old' });
    fs.rmSync(saved);
    await cl('store', 'list', '--page', '1', '--search', 'Old', '-o', saved);
    expect(read<{ items: { id: number }[] }>().items.map((item) => item.id)).toContain(id);
    await cl('store', 'versions', String(id), '-o', saved, '--overwrite');
    expect(read()).toMatchObject([{ version: 1 }]);
    expect((await cl('store', 'intelligence', String(id), '-o', saved, '--overwrite')).code).toBe(EXIT.ok);
    expect((await cl('store', 'jobs', String(id), '--json')).json()).toEqual(expect.any(Array));
    expect((await cl('store', 'face', 'delete', '999', '--yes')).code).toBe(EXIT.notFound);
    const user = await cl(
      'admin',
      'user',
      'create',
      'old',
      'long enough 1',
      '--permissions',
      'media_store_read',
      '--json',
    );
    expect(user.json()).toMatchObject({ permissions: ['media_store_read'] });
    const users = (await cl('admin', 'user', 'list', '--skip', '1', '--limit', '1', '--json')).json<object[]>();
    expect(users).toMatchObject([{ username: 'old' }]);
    await cl('user', 'delete', 'old', '--yes');
    expect((await cl('compute', 'hash', 'compute', file, '-w', '-t', '30')).code).toBe(EXIT.ok);
    await cl('store', 'delete', String(parent), '--yes');
  });

  it('manages jobs', async () => {
    using dir = folder({ 'x.txt': 'job' });
    const queued = await cl('hash', 'compute', path.join(dir.path, 'x.txt'), '--no-wait', '--json');
    const { job_id } = queued.json<{ job_id: string }>();
    expect((await cl('jobs', 'watch', job_id, '--json')).json()).toMatchObject({ status: 'completed' });
    expect((await cl('jobs', 'list', '--task', 'hash', '--limit', '1', '--json')).json<unknown[]>()).toHaveLength(1);
    const short = job_id.slice(0, 8);
    const logs = (await cl('jobs', 'logs', short)).out;
    expect(logs).toMatch(
      /hash of x\.txt\n.* queued by admin, .*\n.* started\n.* completed after \d+\.\d s: [\da-f]{128}\n$/,
    );
    expect((await cl('jobs', 'get', short, '--json')).json()).toMatchObject({ job_id });
    expect((await cl('jobs', 'get', 'ff')).err).toContain('ff is not the id of a job');
    expect((await cl('jobs', 'get', 'ffffffff')).err).toContain('No job has an id that begins with ffffffff');
    const ended = await cl('jobs', 'cancel', short);
    expect([ended.code, ended.err]).toEqual([EXIT.conflict, expect.stringContaining('already ended: completed')]);
    expect((await cl('jobs', 'list', '--task', 'no-such-task')).code).toBe(EXIT.usage);
    expect((await cl('jobs', 'list', '--user', 'admin', '--from', 'today', '--quiet')).out).toContain(job_id);
    expect((await cl('jobs', 'list', '--to', 'yesterday', '--json')).json()).toEqual([]);
    expect((await cl('jobs', 'retry', job_id)).code).toBe(EXIT.conflict);
    expect((await cl('events', 'tail', '--job', job_id, '--json')).out).toContain('completed');
    const batch = JSON.stringify([
      { task_type: 'hash', input: { job_id, path: 'input/x.txt' } },
      { task_type: 'no_such_task' },
    ]);
    const sent = await run(env, ['batch', 'submit', '-', '--json'], batch);
    expect(sent.code).toBe(EXIT.failed);
    expect(sent.json<object[]>()).toMatchObject([{ job_id: expect.any(String) }, { error: expect.any(String) }]);
  });

  it('runs any task with its fields as options', async () => {
    using dir = folder({ 'x.txt': 'any' });
    const ran = await cl('run', 'hash', path.join(dir.path, 'x.txt'), '--algorithm', 'md5', '--json');
    expect(ran.json<{ params: object }>().params).toMatchObject({ algorithm: 'md5' });
    expect((await cl('run', 'hash', path.join(dir.path, 'x.txt'), '--nonsense', '1')).code).toBe(EXIT.usage);
    expect((await cl('tasks', '--quiet')).out.split('\n')).toContain('hash');
  });

  it('shows administrative information', async () => {
    for (const words of [
      'admin store config',
      'admin store storage',
      'admin store audit-report',
      'admin compute config',
      'admin compute storage',
      'admin auth public-key',
      'admin auth keys',
      'admin auth audit',
      'workers',
      'workers --summary',
    ])
      expect([words, (await cl(...words.split(' '), '--json')).code]).toEqual([words, EXIT.ok]);
    expect((await cl('admin', 'compute', 'guest-mode', 'set', 'on', '--json')).json()).toMatchObject({
      guest_mode: true,
    });
    expect((await cl('admin', 'compute', 'guest-mode', 'set', 'off', '--json')).json()).toMatchObject({
      guest_mode: false,
    });
  });

  it('reports in doctor that every check passed', async () => {
    const { code, out } = await cl('doctor', '--json');
    expect([code, out]).toEqual([EXIT.ok, expect.stringContaining('"ok": true')]);
  });

  it.runIf(hasMedia())('makes a thumbnail and a WebP', async () => {
    using dir = tempDir();
    const [thumb, webp] = ['t.jpg', 'c.webp'].map((name) => path.join(dir.path, name)) as [string, string];
    await cl('media-thumbnail', 'generate', mediaFile('cat.png'), '-W', '100', '--output', thumb);
    expect(fs.readFileSync(thumb).subarray(0, 2).toString('hex')).toBe('ffd8');
    await cl('image-conversion', 'convert', mediaFile('coffee.png'), '--output', webp);
    expect(fs.readFileSync(webp).subarray(8, 12).toString()).toBe('WEBP');
  });

  it('exits with its exit code as a program, and prints only data on stdout', () => {
    const program = path.join(projectRoot, 'apps/cli/bin/cl-client.js');
    const options = { env: { ...process.env, ...env }, encoding: 'utf8' as const };
    expect(JSON.parse(execFileSync(process.execPath, [program, 'whoami', '--json'], options))).toMatchObject({
      username: 'admin',
    });
  });

  it('deletes the login', async () => {
    expect((await cl('logout')).code).toBe(EXIT.ok);
    expect((await cl('whoami')).code).toBe(EXIT.auth);
    expect(fs.readFileSync(path.join(home.path, 'sessions.json'), 'utf8')).not.toContain('eyJ');
  });
});
