import fs from 'node:fs';
import path from 'node:path';
import { PassThrough } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { ChildReport } from '@cl-server/contract';
import { silentLogger } from '@cl-server/service-kit';
import { eventually, type TempDir, tempDir } from '@cl-server/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Child, type ChildSpec, DEFAULT_TIMING, type Timing } from '../../src/supervisor/child.js';
import { Output } from '../../src/supervisor/output.js';
import { Supervisor } from '../../src/supervisor/supervisor.js';

const script = fileURLToPath(new URL('../fixtures/child.js', import.meta.url));
const silent = fileURLToPath(new URL('../fixtures/silent.js', import.meta.url));
const timing = { ...DEFAULT_TIMING, firstBackOff: 1, maxBackOff: 4 };
const spec = (name: string, mode = 'good', drainDeadline = 5_000): ChildSpec => ({
  name,
  script,
  env: { PATH: process.env.PATH ?? '', MODE: mode, MARK: name },
  drainDeadline,
});
const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

const kill = ({ pid }: Child): number => {
  if (pid === undefined) throw new Error('not running');
  process.kill(pid, 'SIGKILL');
  return pid;
};

let dir: TempDir;
let output: Output;
let terminal: string;
beforeEach(() => {
  dir = tempDir('cl-supervisor-');
  terminal = '';
  output = new Output({ folder: dir.path, print: (text) => (terminal += text) });
});
afterEach(() => {
  output.close();
  dir.remove();
});

const start = (): Supervisor => new Supervisor({ output, logger: silentLogger(), timing });
const child = (given: ChildSpec, more: Partial<Timing> = {}): Child =>
  new Child(
    given,
    { output: (stream, kind) => output.follow(given.name, stream, kind), changed: () => undefined },
    output.logger('cl-server', 'info'),
    { ...timing, ...more },
  );

describe('stages', () => {
  it('report what each child said when it was ready', async () => {
    const supervisor = start();
    const infos = await supervisor.start([[spec('a'), spec('b')]]);
    expect([...infos].map(([name, info]) => [name, info['mark']])).toEqual([
      ['a', 'a'],
      ['b', 'b'],
    ]);
    await supervisor.drain();
  });

  it('fail with the name of a child that ends before it is ready, and keep its last output', async () => {
    const supervisor = start();
    await expect(supervisor.start([[spec('good'), spec('bad', 'broken')]])).rejects.toThrow(
      'bad did not start (exit code 2)',
    );
    expect(terminal).toMatch(/bad +\| child: the reason/);
    await supervisor.drain();
  });

  it('are drained one after another, the last one first', async () => {
    const supervisor = start();
    await supervisor.start([[spec('first')], [spec('second'), spec('third')]]);
    await supervisor.drain();
    const order = [...terminal.matchAll(/drained (\w+)/g)].map((match) => match[1]);
    expect(order.toSorted()).toEqual(['first', 'second', 'third']);
    expect(order.at(-1)).toBe('first');
  });

  it('start a child when the one that it names is ready, and not if that one fails', async () => {
    const supervisor = start();
    const late = { ...spec('late'), after: 'bad' };
    await expect(supervisor.start([[spec('bad', 'broken')], [late]])).rejects.toThrow('bad did not start');
    await supervisor.drain();
    expect(terminal).not.toContain('late');

    const second = start();
    const infos = await second.start([[spec('a')], [{ ...spec('b'), after: 'a' }]]);
    expect(Number(infos.get('b')?.['began'])).toBeGreaterThan(Number(infos.get('a')?.['began']));
    await second.drain();
  });

  it('leave nothing running and start nothing more if they are drained while they start', async () => {
    const supervisor = start();
    const waiting = { ...spec('waiting'), script: silent };
    const started = supervisor.start([[waiting], [{ ...spec('next'), after: 'waiting' }]]);
    const ended = expect(started).rejects.toThrow('waiting was stopped while it started');
    await eventually(() => terminal.includes('silent'));
    await supervisor.drain();
    await ended;
    const pid = Number(/silent (\d+)/.exec(terminal)?.[1]);
    expect(isAlive(pid)).toBe(false);
    expect(terminal).not.toContain('next');
  });
});

describe('a child', () => {
  it('restarts with a new process each time that it is killed', async () => {
    const one = child(spec('one'));
    await one.start();
    for (let round = 0; round < 3; round++) {
      const before = kill(one);
      await eventually(() => one.state === 'ready' && one.pid !== before, { within: 5_000 });
    }
    await one.drain();
    expect(one.state).toBe('stopped');
  });

  it('is reported as a crash loop if it crashes repeatedly, and is restarted for ever, while the others continue', async () => {
    let reports: readonly ChildReport[] = [];
    const supervisor = new Supervisor({
      output,
      logger: output.logger('cl-server', 'info'),
      changed: (children) => (reports = children),
      timing,
    });
    await supervisor.start([[spec('good'), spec('bad', 'crashing')]]);
    const report = (name: string) => reports.find((one) => one.name === name);
    const before = report('good')?.pid;
    await eventually(() => Number(report('bad')?.crashes) > timing.loopAfter + 3, { within: 20_000 });
    expect(report('bad')).toMatchObject({ crash_loop: true, last_exit: 'exit code 7' });
    expect(report('good')).toMatchObject({ state: 'ready', pid: before, crashes: 0, crash_loop: false });
    expect(terminal).toMatch(/CRASH LOOP: bad crashed 5 times in a row, last by exit code 7; it restarts in/);
    await supervisor.drain();
    expect(reports.map(({ state }) => state)).toEqual(['stopped', 'stopped']);
  });

  it('starts counting from zero after it ran for a while', async () => {
    const one = child(spec('one'), { loopAfter: 1, stableAfter: 50 });
    await one.start();
    kill(one);
    await eventually(() => one.report.crash_loop);
    await eventually(() => one.report.crashes === 0 && one.state === 'ready', { within: 5_000 });
    expect(terminal).toContain('one is stable again');
    await one.drain();
  });

  it('is restarted on request with a new process, and stays down if it is drained meanwhile', async () => {
    const one = child(spec('one'));
    await one.start();
    const { pid } = one;
    await one.restart();
    expect([one.state, one.report.crashes, one.pid === pid]).toEqual(['ready', 0, false]);
    const restarting = one.restart();
    await Promise.all([one.drain(), restarting]);
    expect(one.state).toBe('stopped');
    await one.restart();
    expect(one.state).toBe('stopped');
  });

  it('is killed at the deadline if it ignores its drain', async () => {
    const one = child(spec('one', 'stubborn', 200));
    await one.start();
    const { pid } = one;
    await one.drain();
    expect(pid !== undefined && isAlive(pid)).toBe(false);
  });

  it('is killed if it shows no sign of life while it starts, and the reason is reported', async () => {
    const one = child({ ...spec('silent'), script: silent }, { silence: 1_000 });
    await expect(one.start()).rejects.toThrow('silent did not start (SIGKILL)');
    expect(terminal).toContain('silent hangs while it starts: no sign of life for 1 s; killing it');
  });

  it.each(['slow', 'busy'])('that is %s to start but shows life is waited for without a deadline', async (mode) => {
    const one = child(spec(mode, mode), { silence: 1_000, reportAfter: 500 });
    await one.start();
    expect(terminal).toMatch(new RegExp(`${mode} is still starting after \\d+ s`));
    expect(terminal).not.toContain('hangs');
    await one.drain();
  });

  it('stays down if it is drained while it waits for a restart', async () => {
    const one = child(spec('one'), { firstBackOff: 60_000, maxBackOff: 60_000 });
    await one.start();
    kill(one);
    await eventually(() => one.state === 'crashed');
    await one.drain();
    expect(one.state).toBe('stopped');
    expect(one.pid).toBeUndefined();
  });
});

describe('output', () => {
  it('goes to a file of JSON lines per child and as text to the terminal', async () => {
    const supervisor = start();
    await supervisor.start([[spec('auth')]]);
    await supervisor.drain();
    const lines = fs.readFileSync(path.join(dir.path, 'auth.log'), 'utf8').trim().split('\n');
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([{ name: 'auth', level: 'info', msg: 'drained auth' }]);
    expect(terminal).toMatch(/^\d\d:\d\d:\d\d info {2}auth {6}\| drained auth\n$/);
  });

  it('keeps routine requests in the file and shows failed ones and everything else', async () => {
    const stream = new PassThrough();
    output.follow('store', stream, 'stdout');
    const line = (msg: string, status?: number): string =>
      `${JSON.stringify({ level: 'info', time: new Date(0).toISOString(), name: 'store', msg, status })}\n`;
    stream.end(line('request', 201) + line('request', 404) + line('request', 503) + line('job failed', 200));
    await eventually(() => terminal.includes('job failed'));
    expect(terminal.trim().split('\n')).toEqual([
      expect.stringContaining('status=503'),
      expect.stringContaining('job failed'),
    ]);
    expect(fs.readFileSync(path.join(dir.path, 'store.log'), 'utf8').trim().split('\n')).toHaveLength(4);
  });

  it('reaches the terminal without escape sequences and direction marks, whatever a name or field contains', () => {
    const stream = new PassThrough();
    output.follow('auth', stream, 'stdout');
    const name = '\u001b]0;title\u0007\u009b31m\u202egpj';
    const record = { level: 'warn', time: new Date().toISOString(), msg: `login of ${name}`, file: name };
    stream.write(`${JSON.stringify(record)}\n`);
    stream.end(`plain ${name}\n`);
    return eventually(() => terminal.includes('plain')).then(() => {
      // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be there
      expect(terminal.replace(/\u001b\[\d+m/g, '')).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202e]/);
      expect(terminal).toContain('login of ␛]0;title␇<U+009B>31m<U+202E>gpj file=␛]0;title␇');
    });
  });
});
