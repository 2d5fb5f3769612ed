/** Task processes come with the work and go when there is none; what a worker can run does not depend on them. */
import fs from 'node:fs';
import path from 'node:path';
import { eventually } from '@cl-server/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TaskStates } from '../src/runners/task-states.js';
import { isAlive, type TestPlatform, testPlatform, type WorkerProcess } from './support/platform.js';

describe('what a worker can run', () => {
  const ready = { state: 'ready' } as const;
  const out = { state: 'unavailable', code: 'task_failed', reason: 'too slow' } as const;
  const [first, second] = [{}, {}];

  it('is ready while any living runner has it ready', () => {
    const told: string[] = [];
    const states = new TaskStates((task, { state }) => told.push(`${task} ${state}`));
    states.set(first, 'a', ready);
    states.set(second, 'a', out);
    states.forget(second);
    expect(told).toEqual(['a ready', 'a ready', 'a ready']);
  });

  it('is what the last one said when none lives, and what a living one says as soon as one tries', () => {
    const told: string[] = [];
    const states = new TaskStates((task, { state }) => told.push(`${task} ${state}`));
    states.set(first, 'a', ready);
    states.set(first, 'b', out);
    states.forget(first);
    expect(told).toEqual(['a ready', 'b unavailable']);
    states.set(second, 'b', ready);
    states.set(second, 'a', out);
    expect(told.slice(2)).toEqual(['b ready', 'a unavailable']);
  });
});

describe('a worker’s task processes', () => {
  let platform: TestPlatform;
  let worker: WorkerProcess;
  beforeAll(async () => {
    platform = await testPlatform({ plugins: ['looker', 'shared', 'fragile'] });
    worker = platform.start({
      args: ['--concurrency', '2'],
      env: {
        WORKER_RUNNER_IDLE_SECONDS: '1.5',
        WORKER_MODEL_IDLE_SECONDS: '1.5',
        WORKER_RECHECK_SECONDS: '0.2',
      },
    });
    await worker.ready;
  });
  afterAll(() => platform.close());

  const run = async (task: string, params: object = {}) =>
    (await platform.ended(await platform.add(task, { ...params }))).task_output as { pid: number; seen: number };
  const children = (): number =>
    fs.readFileSync(`/proc/${worker.pid}/task/${worker.pid}/children`, 'utf8').trim().split(' ').filter(Boolean).length;
  const noneLeft = () => eventually(() => children() === 0, { what: 'the end of all task processes' });

  it('are kept while jobs come, so that none is started again and again', async () => {
    const pids: number[] = [];
    for (let i = 0; i < 5; i++) pids.push((await run('looker')).pid);
    expect(new Set(pids).size).toBe(1);
    expect((await run('shared')).pid).not.toBe(pids[0]);
  });

  it('end when no job comes, shared ones too; tasks stay ready, and the next job starts one', async () => {
    const before = await run('looker');
    await noneLeft();
    expect(isAlive(before.pid)).toBe(false);
    const after = await run('looker');
    expect(after.pid).not.toBe(before.pid);
    expect((await run('shared')).pid).toBeGreaterThan(0);
  });

  it('find out about the machine once per worker, however many there are', async () => {
    const both = await Promise.all([run('looker', { ms: 700 }), run('looker', { ms: 700 })]);
    expect(new Set(both.map(({ pid }) => pid)).size).toBe(2);
    expect(both.map(({ seen }) => seen)).toEqual([42, 42]);
    expect(fs.readFileSync(path.join(platform.dataDir, 'models', 'looks'), 'utf8')).toBe('x');
  });

  it('are not kept when they have grown large', async () => {
    const { pid } = await run('looker', { keep: 300_000_000 });
    await eventually(() => !isAlive(pid), { what: 'the end of the large one' });
    expect((await run('looker')).pid).not.toBe(pid);
  });

  it('are started for a task that could not be set up as soon as its model is there', async () => {
    expect((await worker.ready).tasks).toEqual(['looker', 'shared']);
    await noneLeft();
    fs.mkdirSync(path.join(platform.dataDir, 'models'), { recursive: true });
    fs.writeFileSync(path.join(platform.dataDir, 'models', 'fragile.onnx'), 'x');
    await eventually(async () => (await platform.ended(await platform.add('fragile'))).status === 'completed');
  });
});
