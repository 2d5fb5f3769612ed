import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { Readable } from 'node:stream';
import type { Job, JobEvent, WorkerCapability } from '@cl-server/client';
import { tempDir, which } from '@cl-server/testing';
import type { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { failureOf } from '../src/failure.js';
import { destination } from '../src/files/destination.js';
import { expandInputs, globPattern } from '../src/files/inputs.js';
import { type Identity, identityOf } from '../src/identity.js';
import { createProgram, EXIT, registerAll } from '../src/index.js';
import { JobChanges, jobLine, WorkerChanges } from '../src/io/event-lines.js';
import { InOrder } from '../src/io/in-order.js';
import { Output } from '../src/io/output.js';
import { bytesText } from '../src/io/progress.js';
import type { Column } from '../src/io/table.js';
import { widthOf } from '../src/io/text-width.js';
import { headline } from '../src/tasks/headline.js';
import { schemaOptions } from '../src/tasks/schema-options.js';
import { TASK_COMMANDS } from '../src/tasks/task-command.js';
import { resultPaths } from '../src/tasks/task-inputs.js';
import { seconds, size } from '../src/values.js';
import type { GlobalOptions } from '../src/world.js';
import { run, testWorld } from './support/world.js';

describe('inputs', () => {
  const expand = (args: string[], text = '', options = {}) =>
    expandInputs(args, Readable.from([text]), options).then((files) => files.map(({ name }) => name));

  it('can be files, folders, wildcards, URLs, and lists on standard input', async () => {
    using dir = tempDir();
    for (const name of ['a.jpg', 'b.png', 'sub/c.mp4', 'sub/notes.txt', '.hidden.jpg']) {
      fs.mkdirSync(path.dirname(path.join(dir.path, name)), { recursive: true });
      fs.writeFileSync(path.join(dir.path, name), '');
    }
    fs.symlinkSync('/etc', path.join(dir.path, 'out'));
    expect(await expand([dir.path])).toEqual(['a.jpg', 'b.png', 'sub/c.mp4']);
    expect(await expand([dir.path], '', { mediaOnly: false })).toContain('sub/notes.txt');
    expect(await expand([`${dir.path}/*.{jpg,png}`])).toEqual(['a.jpg', 'b.png']);
    expect(await expand([`${dir.path}/**/*.mp4`])).toEqual(['sub/c.mp4']);
    expect(await expand(['-'], `${dir.path}/a.jpg\0${dir.path}/b.png\0`)).toEqual(['a.jpg', 'b.png']);
    expect(await expand(['https://example.org/x/y.jpg?z'])).toEqual(['y.jpg']);
    await expect(expand([`${dir.path}/*.gif`])).rejects.toThrow('no such file');
  });

  it.each([
    ['a/*.jpg', 'a/b.jpg', true],
    ['a/*.jpg', 'a/b/c.jpg', false],
    ['**/c.?pg', 'a/b/c.jpg', true],
    ['[!a]*.png', 'b.png', true],
    ['a+b.jpg', 'a+b.jpg', true],
  ])('the wildcard %s, given %s: %s', (pattern, name, fits) => expect(globPattern(pattern).test(name)).toBe(fits));
});

describe('failures', () => {
  const sdk = (fields: object) => Object.assign(new Error('why'), fields);
  it.each([
    [sdk({ code: 'unauthenticated', status: 401 }), EXIT.auth],
    [sdk({ code: 'forbidden', status: 403 }), EXIT.forbidden],
    [sdk({ code: 'not_found', status: 404 }), EXIT.notFound],
    [sdk({ code: 'conflict', status: 409 }), EXIT.conflict],
    [sdk({ code: 'validation', status: 422 }), EXIT.badInput],
    [sdk({ code: 'too_many_requests', status: 429 }), EXIT.server],
    [sdk({ code: 'internal', status: 500 }), EXIT.server],
    [sdk({ code: 'network' }), EXIT.unreachable],
    [sdk({ code: 'timeout' }), EXIT.timeout],
    [sdk({ code: 'task_failed', job: { job_id: 'j' } }), EXIT.jobFailed],
    [sdk({ code: 'cancelled', job: { job_id: 'j' } }), EXIT.jobCancelled],
    [new Error('a bug'), EXIT.failed],
  ])('%o ends with %i', (error, code) => expect(failureOf(error, false).exitCode).toBe(code));

  it.each([
    ['Entity not found', '/entities/27?version=2', 'Entity 27 was not found'],
    ['Media file not found', '/entities/27/media', 'Media file of entity 27 was not found'],
    ['Known person not found', '/intelligence/known-persons/3', 'Person 3 was not found'],
    ['Face 9 not found', '/intelligence/faces/9', 'Face 9 not found'],
    ['Not Found', '/entities', 'http://a.example/entities does not exist; is this the address of the right service?'],
  ])('name what was not found: %s at %s', (message, where, named) => {
    const error = Object.assign(new Error(message), {
      status: 404,
      code: 'not_found',
      url: `http://a.example${where}`,
    });
    expect(failureOf(error, false).message).toBe(named);
  });

  it('count as an interruption after Ctrl-C, whatever the error', () => {
    expect(failureOf(new Error('aborted'), true).exitCode).toBe(EXIT.interrupted);
  });
});

interface Row {
  readonly id: number;
  readonly text: string;
}

describe('output', () => {
  const written = async (format: 'human' | 'json' | 'ndjson' | 'quiet', work: (out: Output) => Promise<void>) => {
    const world = testWorld();
    await work(new Output(world, format, {}));
    return world.out();
  };
  const rows = [
    { id: 1, text: 'a\u001b[31m' },
    { id: 2, text: 'b'.repeat(500) },
  ];
  const view = {
    columns: [{ title: 'Text', value: (row: Row) => row.text }],
    id: (row: Row) => row.id,
  };
  const many = (out: Output) => out.many(rows, view);

  it('is JSON, one line per object, ids, or a table', async () => {
    expect(JSON.parse(await written('json', many))).toEqual(rows);
    expect(
      (await written('ndjson', many))
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as object),
    ).toEqual(rows);
    expect(await written('quiet', many)).toBe('1\n2\n');
    expect(await onTerminal(80, many)).toContain('Text');
  });

  const onTerminal = async (columns: number | undefined, work: (out: Output) => Promise<void>) => {
    const world = testWorld();
    const stdout = Object.assign(world.stdout, { isTTY: true, ...(columns !== undefined && { columns }) });
    await work(new Output({ ...world, stdout }, 'human', { NO_COLOR: '1' }));
    return world.out();
  };
  const widest = (text: string): number => Math.max(...text.split('\n').map((line) => widthOf(line)));

  it.each([50, 80, 200, undefined])('fits a terminal of %s columns', async (columns) => {
    const jobs = [
      {
        id: 'cf8703c6',
        name: '夜の港'.repeat(30),
        when: '2026-01-31 17:05',
        error: `first\nsecond ${'x'.repeat(200)}`,
      },
      { id: 'a1b2c3d4', name: 'e\u001b[31m\tscape', when: '2026-01-31 17:06', error: null },
    ];
    const columnsOf: Column<(typeof jobs)[number]>[] = [
      { title: 'Job', value: ({ id }) => id, whole: true },
      { title: 'Name', value: ({ name }) => name },
      { title: 'Created', value: ({ when }) => when, whole: true },
      { title: 'Error', value: ({ error }) => error },
      { title: 'Never', value: () => null },
    ];
    const table = await onTerminal(columns, (out) => out.many(jobs, { columns: columnsOf, id: ({ id }) => id }));
    expect(widest(table)).toBeLessThanOrEqual(columns ?? 80);
    expect(table).not.toContain('\u001b');
    expect(table).not.toContain('Never');
    for (const whole of ['cf8703c6', '2026-01-31 17:05']) expect(table).toContain(whole);
    expect(table.trimEnd().split('\n')).toHaveLength(3);
    const long = await onTerminal(columns, (out) =>
      out.many(jobs, {
        columns: [
          { title: 'Name', value: ({ name }) => name, wraps: true },
          { title: 'Error', value: ({ error }) => error, below: true },
        ],
        id: ({ id }) => id,
      }),
    );
    expect(widest(long)).toBeLessThanOrEqual(columns ?? 80);
    expect(long.replace(/\s/g, '')).toContain('夜の港'.repeat(30));
    expect(long.replace(/\s/g, '')).toContain(`Error:first␊second${'x'.repeat(200)}`);
    const fields = await onTerminal(columns, (out) =>
      out.one({ description: 'word '.repeat(60), sha256: 'f'.repeat(128) }),
    );
    expect(widest(fields)).toBeLessThanOrEqual(columns ?? 80);
    expect(fields.replace(/\s/g, '')).toContain('f'.repeat(128));
  });

  it('is tab-separated and complete if another program reads it', async () => {
    const table = await written('human', many);
    expect(table).toBe(`a␛[31m\n${'b'.repeat(500)}\n`);
    expect(await written('human', (out) => out.one({ text: 'b'.repeat(500) }))).toContain('b'.repeat(500));
  });

  it('refuses bytes on a terminal', async () => {
    await expect(onTerminal(80, (out) => out.bytes(Buffer.from('\u001b]0;x')))).rejects.toThrow(/terminal/);
  });

  it('makes control characters visible in every form, and keeps the value in JSON', async () => {
    const name = 'a\u001b]0;t\u0007\u009b31m\u202egpj.exe';
    const shown = 'a␛]0;t␇<U+009B>31m<U+202E>gpj.exe';
    const world = testWorld();
    const out = new Output(world, 'human', {});
    out.write(name);
    out.note(name);
    out.success(name);
    out.warn(name);
    out.error(name);
    await out.one({ name });
    await out.many([{ id: 1, text: name }], view);
    const json = await written('json', (all) => all.one({ name }));
    expect(JSON.parse(json)).toEqual({ name });
    expect(world.out().split(shown)).toHaveLength(4);
    expect(world.err().split(shown)).toHaveLength(5);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be there
    const control = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202e]/;
    expect(world.out() + json).not.toMatch(control);
    expect(world.err()).not.toMatch(control);
  });

  it('is valid JSON even without data', async () => {
    expect(await written('json', (out) => out.one(null))).toBe('null\n');
    expect(await written('json', (out) => out.many([], view))).toBe('[]\n');
  });
});

it.each([
  ['5MB', 5_000_000],
  ['1.5 GiB', 1_610_612_736],
  ['12', 12],
])('reads the size %s as %i bytes', (text, bytes) => expect(size(text)).toBe(bytes));

it.each([
  ['90', 90],
  ['5m', 300],
  ['2h', 7200],
])('reads the time %s as %i seconds', (text, value) => expect(seconds(text)).toBe(value));

it.each(['5 apples', '-1', '', 'x'])('refuses %j as a size and as a time', (text) => {
  expect(() => size(text)).toThrow(/should be/);
  expect(() => seconds(text)).toThrow(/should be/);
});

it('saves into a folder under the name of the file, otherwise to the given path', async () => {
  using dir = tempDir();
  expect(await destination(dir.path, 'a.jpg')).toBe(path.join(dir.path, 'a.jpg'));
  expect(await destination('not/there/', 'a.jpg')).toBe('not/there/a.jpg');
  expect(await destination('not/there', 'a.jpg')).toBe('not/there');
});

describe('the identity of calls', () => {
  const whose = (options: GlobalOptions, env: Record<string, string> = {}): unknown =>
    identityOf(options, testWorld(env));
  const loginOf = async (options: GlobalOptions, env: Record<string, string> = {}): Promise<unknown> =>
    (identityOf(options, testWorld(env)) as Extract<Identity, { kind: 'login' }>).credentials();
  const TOKEN = { CL_TOKEN: 'of the environment' };
  const LOGIN = { CL_USERNAME: 'env', CL_PASSWORD: 'of env' };

  it('comes from options first, then the environment, then the profile', async () => {
    expect(whose({})).toEqual({ kind: 'kept' });
    expect(whose({}, TOKEN)).toEqual({ kind: 'token', token: 'of the environment' });
    expect(await loginOf({}, LOGIN)).toEqual({ username: 'env', password: 'of env' });
    expect(await loginOf({ loginUsername: 'a', loginPassword: 'b' }, { ...TOKEN, ...LOGIN })).toEqual({
      username: 'a',
      password: 'b',
    });
    expect(await loginOf({ loginPassword: 'b' }, { ...TOKEN, ...LOGIN })).toEqual({ username: 'env', password: 'b' });
    expect(whose({ token: 't' }, LOGIN)).toEqual({ kind: 'token', token: 't' });
    expect(whose({ sendLogin: false }, { ...TOKEN, ...LOGIN })).toEqual({ kind: 'guest' });
  });

  it('is not guessed from an incomplete login', async () => {
    expect(() => whose({ loginPassword: 'b' })).toThrow(/--username/);
    await expect(loginOf({ loginUsername: 'a' })).rejects.toThrow(/--password/);
  });
});

it('passes results on in order, as soon as the earlier ones have ended', async () => {
  const seen: string[] = [];
  const lines = new InOrder<string>(async (text) => void seen.push(text));
  await lines.set(1, 'one');
  expect(seen).toEqual([]);
  await lines.set(0, 'zero');
  expect(seen).toEqual(['zero', 'one']);
  await lines.set(3, 'three');
  await lines.set(2, undefined);
  expect(seen).toEqual(['zero', 'one', 'three']);
});

describe('options from a schema', () => {
  const schema = {
    properties: { level: { type: 'integer' }, deep_scan: { type: 'boolean' }, mode: { enum: ['a', 'b'] } },
  };
  it('are parsed by their types', () => {
    const words = ['x.jpg', '--level', '3', '--no-deep-scan', '--mode=b', '--', '--y.jpg'];
    expect(schemaOptions(schema, words)).toEqual({
      params: { level: '3', deep_scan: false, mode: 'b' },
      rest: ['x.jpg', '--y.jpg'],
    });
  });
  it.each([[['--level', 'x']], [['--mode', 'c']], [['--other', '1']], [['--level']]])('are refused: %j', (words) => {
    expect(() => schemaOptions(schema, words)).toThrow(/--/);
  });
});

describe('the command line', () => {
  it('exits with 2 if it is invalid, and with 0 after help', async () => {
    expect((await run({}, ['no-such-command'])).code).toBe(EXIT.usage);
    expect((await run({}, ['store', 'list', '--no-such-option'])).code).toBe(EXIT.usage);
    for (const words of ['jobs list --limit x', 'jobs list --limit 0', 'hash compute x -c 0', 'hash compute x -t -1'])
      expect([words, (await run({}, words.split(' '))).code]).toEqual([words, EXIT.usage]);
    const help = await run({}, ['--help']);
    expect([help.code, help.err]).toEqual([EXIT.ok, '']);
    expect((await run({}, ['store', '--help'])).out).toContain('upload');
  });

  it('shows help and the version by words, too, and names the command at hand after an error', async () => {
    expect((await run({}, ['help', 'store', 'upload'])).out).toContain('Usage: cl-client store upload');
    expect((await run({}, ['help'])).out).toContain('Your library:');
    expect((await run({}, ['version'])).out).toBe((await run({}, ['--version'])).out);
    for (const [words, hint] of [
      ['store nope', '(run cl-client store --help for help)'],
      ['jobs list --nope', '(run cl-client jobs list --help for help)'],
      ['nope', '(run cl-client --help for help)'],
    ] as const)
      expect((await run({}, words.split(' '))).err).toContain(hint);
    for (const words of ['store -h', 'media-thumbnail generate -h', 'image-conversion convert -h'])
      expect((await run({}, words.split(' '))).out).toContain('Usage: cl-client');
  });

  it('has help pages that fit 80 columns', async () => {
    const world = testWorld();
    const program = createProgram('0', world);
    await registerAll(program, world);
    const pages = (command: Command): Command[] => [command, ...command.commands.flatMap(pages)];
    for (const page of pages(program)) page.outputHelp();
    expect(world.out().split('\n').length).toBeGreaterThan(1000);
    expect(
      world
        .out()
        .split('\n')
        .filter((line) => line.length > 80),
    ).toEqual([]);
  });

  it('prints the values that completion needs without a server', async () => {
    using dir = tempDir();
    const env = { CL_CONFIG_DIR: dir.path, AUTH_URL: 'http://127.0.0.1:9', COMPUTE_URL: 'http://127.0.0.1:9' };
    await run(env, ['config', 'set', 'store_url', 'http://other:1', '--profile', 'other']);
    expect((await run(env, ['completion', '--values', 'profiles'])).out).toBe('default\nother\n');
    expect((await run(env, ['completion', '--values', 'tasks'])).out).toContain('media_thumbnail\n');
    expect((await run(env, ['store', 'list', '--profile', 'ghost'])).err).toContain('Profile ghost does not exist');
  });

  it('refuses a missing file before it contacts a server', async () => {
    const { code, err } = await run({ AUTH_URL: 'http://127.0.0.1:9' }, ['hash', 'compute', '/nonexistent.jpg']);
    expect(code).toBe(EXIT.badInput);
    expect(err).toContain('nonexistent.jpg');
  });

  it('explains that -w is no longer the width', async () => {
    const { code, err } = await run({}, ['media-thumbnail', 'generate', 'x.jpg', '-w', '320']);
    expect([code, err]).toEqual([EXIT.usage, expect.stringContaining('-W 320')]);
  });

  it('reports an error as JSON on stderr if JSON was requested', async () => {
    using dir = tempDir();
    const env = { CL_CONFIG_DIR: dir.path, CL_TOKEN: 'x.y.z', AUTH_URL: 'http://127.0.0.1:9' };
    const { code, out, err } = await run(env, ['whoami', '--json']);
    expect([code, out]).toEqual([EXIT.unreachable, '']);
    expect(JSON.parse(err)).toMatchObject({ error: { code: 'network', exit_code: EXIT.unreachable } });
  }, 20_000);

  it('saves addresses by profile; options take precedence over the environment, which takes precedence over the profile', async () => {
    using dir = tempDir();
    const env = { CL_CONFIG_DIR: dir.path };
    const url = async (extra: Record<string, string>, ...args: string[]) =>
      (await run({ ...env, ...extra }, ['config', 'get', 'store_url', ...args])).out.trim();
    await run(env, ['config', 'set', 'store_url', 'http://saved:1']);
    await run(env, ['config', 'set', 'store_url', 'http://other:1', '--profile', 'other']);
    expect(await url({})).toBe('http://saved:1');
    expect(await url({}, '--profile', 'other')).toBe('http://other:1');
    await run(env, ['config', 'use', 'other']);
    expect(await url({})).toBe('http://other:1');
    expect(await url({ STORE_URL: 'http://env:1' })).toBe('http://env:1');
    expect(await url({ STORE_URL: 'http://env:1' }, '--store-url', 'http://arg:1')).toBe('http://arg:1');
    expect((await run(env, ['config', 'set', 'store_url', 'nonsense'])).code).toBe(EXIT.usage);
    expect((await run(env, ['config', 'set', 'password', 'x'])).code).toBe(EXIT.usage);
    expect(fs.statSync(path.join(dir.path, 'config.json')).mode & 0o077).toBe(0);
  });

  it.each(['bash', 'zsh', 'fish'])('completes in %s', async (shell) => {
    const { out } = await run({}, ['completion', shell]);
    for (const word of ['media-thumbnail', 'generate', 'upload', 'persons']) expect(out).toContain(word);
    using dir = tempDir();
    const script = path.join(dir.path, 'completion');
    fs.writeFileSync(script, out);
    const program = which(shell);
    if (program) execFileSync(program, [shell === 'fish' ? '--no-execute' : '-n', script]);
  });

  /** Returns the completions that a shell offers for these words; the last word is incomplete. */
  const offers: Readonly<Record<string, (script: string, words: readonly string[], env: NodeJS.ProcessEnv) => string>> =
    {
      bash: (script, words, env) => {
        const asked = `COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _cl_client; printf '%s\\n' "\${COMPREPLY[@]}"`;
        return execFileSync('bash', ['-c', `. ${script}; ${asked}`, 'bash', ...words], { encoding: 'utf8', env });
      },
      fish: (script, words, env) =>
        execFileSync('fish', ['--no-config', '-c', `source ${script}; complete -C "$argv"`, words.join(' ')], {
          encoding: 'utf8',
          env,
        }),
    };
  it.each(Object.keys(offers).filter((shell) => which(shell)))(
    'completes words, options and values in %s',
    async (shell) => {
      using dir = tempDir();
      const script = path.join(dir.path, 'completion');
      fs.writeFileSync(script, (await run({}, ['completion', shell])).out);
      // The scripts ask the program for values that change.
      const program = path.join(dir.path, 'cl-client');
      const values = 'case "$3" in tasks) echo hash; echo my_plugin ;; profiles) echo home; echo work ;; esac';
      fs.writeFileSync(program, `#!/bin/sh\n${values}\n`, { mode: 0o700 });
      const env = { ...process.env, PATH: `${dir.path}:${process.env['PATH'] ?? ''}` };
      const offered = (...words: string[]): string[] =>
        (offers[shell]?.(script, ['cl-client', ...words], env) ?? '')
          .split('\n')
          .map((line) => line.split('\t')[0] ?? '')
          .filter(Boolean);
      expect(offered('store', 'upl').sort()).toEqual(['upload', 'uploads']);
      expect(offered('imag')).toEqual(['image-conversion']);
      expect(offered('run', '')).toEqual(['hash', 'my_plugin']);
      expect(offered('jobs', 'list', '--task', 'my')).toEqual(['my_plugin']);
      expect(offered('store', 'list', '--profile', '')).toEqual(['home', 'work']);
      expect(offered('--json', 'store', 'get', '5', '--ver')).toEqual(['--version']);
      expect(offered('store', 'get', '--transport', 's')).toEqual(['sse']);
      expect(offered('store', 'get', '--nd')).toEqual(['--ndjson']);
      expect(offered('image-conversion', 'convert', '--format', 'w')).toEqual(['webp']);
      expect(offered('completion', '').sort()).toEqual(['bash', 'fish', 'zsh']);
      expect(offered('hash', 'compute', 'package.j')).toEqual(['package.json']);
    },
  );
});

it('parses HLS variants as heights and bitrates', () => {
  expect(TASK_COMMANDS.hls_streaming.options.variants.parse('720:3500,480')).toEqual([
    { resolution: 720, bitrate: 3500 },
    { resolution: 480, bitrate: null },
  ]);
});

describe('event lines', () => {
  const event = (event_type: JobEvent['event_type']): JobEvent => ({
    job_id: 'cf8703c6-0000-4000-8000-000000000000',
    event_type,
    timestamp: 1_700_000_000_000,
    progress: 0,
  });
  const job = { task_type: 'hash', params: { input_path: 'input/a\u001b.jpg' }, status: 'failed' } as unknown as Job;

  it('tell each state of a job once, with task, file and reason', () => {
    const changes = new JobChanges();
    const types = ['queued', 'processing', 'processing', 'failed', 'failed', 'queued'] as const;
    expect(types.filter((type) => changes.isNew(event(type)))).toEqual(['queued', 'processing', 'failed', 'queued']);
    const failed = { ...job, error_code: 'task_failed', error_message: 'no\npicture' } as Job;
    expect(jobLine(event('failed'), failed)).toMatch(/ {2}cf8703c6 {2}failed {6}hash {2}a␛\.jpg {2}no␊picture$/);
    const cancelled = { ...failed, error_code: 'cancelled' } as Job;
    expect(jobLine(event('failed'), cancelled)).toMatch(/ {2}cf8703c6 {2}cancelled {3}hash {2}a␛\.jpg$/);
    expect(jobLine(event('queued'), undefined)).toMatch(/ {2}cf8703c6 {2}queued$/);
  });

  it('tell what changed about workers, not their heartbeats', () => {
    const changes = new WorkerChanges();
    const worker = (capabilities: string[], idle_count: number): WorkerCapability => ({
      worker_id: 'w',
      id: 'w',
      capabilities,
      idle_count,
      timestamp: 0,
    });
    expect(changes.line('w', worker(['hash'], 1), 0)).toContain('online, runs 1 task');
    expect(changes.line('w', worker(['hash'], 0), 0)).toBeUndefined();
    expect(changes.line('w', worker(['hash', 'exif'], 0), 0)).toContain('runs 2 tasks');
    expect(changes.line('w', undefined, 0)).toContain('offline');
    expect(changes.line('w', undefined, 0)).toBeUndefined();
  });
});

describe('the names of results', () => {
  const files = (...given: [source: string, name: string][]) =>
    resultPaths(given.map(([source, name]) => ({ source, name, folders: [] })));
  it('are the paths below the folder that all inputs have in common', () => {
    expect(files(['/p/a/x.jpg', 'x.jpg'], ['/p/b/x.jpg', 'x.jpg'])).toEqual(['a/x.jpg', 'b/x.jpg']);
    expect(files(['/p/a/x.jpg', 'x.jpg'], ['/p/a/y.jpg', 'y.jpg'])).toEqual(['x.jpg', 'y.jpg']);
    expect(files(['/p/a/s/x.jpg', 's/x.jpg'])).toEqual(['s/x.jpg']);
    expect(files(['/p/a/s/x.jpg', 's/x.jpg'], ['/q/y.jpg', 'y.jpg'])).toEqual(['p/a/s/x.jpg', 'q/y.jpg']);
    expect(files(['https://example.org/x.jpg', 'x.jpg'], ['/p/y.jpg', 'y.jpg'])).toEqual(['x.jpg', 'y.jpg']);
  });
});

it.each([
  ['hash', { hash_value: 'ab12', size: 3 }, 'ab12'],
  ['face_detection', { num_faces: 1, faces: [{}] }, '1 face'],
  ['face_embedding', { embedding_dim: 512 }, 'vector of 512 numbers of the whole image'],
  ['exif', { make: 'NIKON CORPORATION', model: 'NIKON D70', captured_at: '2008-10-22' }, 'NIKON D70, 2008-10-22'],
  ['image_conversion', { format: 'webp', width: 4, height: 3, size: 1200 }, 'webp, 4 × 3, 1.2 kB'],
  ['a_plugin', { caption: 'a dog', model_id: 'x' }, 'a dog'],
  ['a_plugin', { lines: 12, list: [1] }, '12'],
  ['a_plugin', null, ''],
])('the result of %s, %j, is shown as %s', (task, output, text) => expect(headline(task, output)).toBe(text));

it.each([
  [999, '999 B'],
  [1_234_567, '1.2 MB'],
  [250_000_000, '250 MB'],
])('writes %i bytes as %s', (bytes, text) => expect(bytesText(bytes)).toBe(text));
