/** A worker that starts again knows which tasks can run without a task process, as long as nothing has changed. */
import fs from 'node:fs';
import path from 'node:path';
import { eventually } from '@cl-server/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { childrenOf, type TestPlatform, testPlatform, type WorkerFlags } from './support/platform.js';

describe('a worker that starts again', () => {
  let platform: TestPlatform;
  beforeEach(async () => {
    platform = await testPlatform({ plugins: ['gated', 'fragile', 'shared'] });
  });
  afterEach(() => platform.close());

  const place = (...names: string[]): string => path.join(platform.dataDir, ...names);
  const gate = (closed: boolean): void => {
    fs.mkdirSync(place('streams'), { recursive: true });
    if (closed) fs.writeFileSync(place('streams', 'closed'), '');
    else fs.rmSync(place('streams', 'closed'));
  };
  /** @returns the tasks it says it can run, and whether it needed task processes to learn that */
  const started = async (flags: WorkerFlags = {}) => {
    const worker = platform.start({ ...flags, env: { WORKER_POLL_INTERVAL: '0.1', ...flags.env } });
    const { tasks } = await worker.ready;
    const end = async (): Promise<void> => {
      worker.child.kill('SIGTERM');
      await worker.exited;
    };
    return { worker, tasks, asked: childrenOf(worker.pid).length > 0, end };
  };
  const once = async (flags?: WorkerFlags) => {
    const { tasks, asked, end } = await started(flags);
    await end();
    return { tasks, asked };
  };

  it('starts no task process before the first job, which runs', async () => {
    expect(await once()).toEqual({ tasks: ['gated', 'shared'], asked: true });
    const second = await started();
    expect(second).toMatchObject({ tasks: ['gated', 'shared'], asked: false });
    expect((await platform.ended(await platform.add('gated'))).status).toBe('completed');
    expect((await platform.ended(await platform.add('shared'))).status).toBe('completed');
    await second.end();
    fs.utimesSync(place('plugins', 'gated.mjs'), 1, 1);
    expect(await once()).toEqual({ tasks: ['gated', 'shared'], asked: true });
    fs.writeFileSync(place('task_availability.json'), '[{}');
    expect(await once()).toEqual({ tasks: ['gated', 'shared'], asked: true });
  });

  it('keeps a job whose task turns out not to run, and forgets that it could', async () => {
    await once();
    gate(true);
    const second = await started();
    expect(second).toMatchObject({ tasks: ['gated', 'shared'], asked: false });
    const id = await platform.add('gated');
    await eventually(() => second.worker.output().includes('the gate is closed'));
    await eventually(async () => (await platform.job(id)).status === 'queued');
    await second.end();
    const third = await started();
    expect(third.tasks).toEqual(['shared']);
    await third.end();
    gate(false);
    await started();
    expect((await platform.ended(id)).status).toBe('completed');
  });

  it('remembers no failure', async () => {
    gate(true);
    expect((await once()).tasks).toEqual(['shared']);
    gate(false);
    expect((await once()).tasks).toEqual(['gated', 'shared']);
  });

  it('knows that a model is missing, and runs the task as soon as it is there', async () => {
    await once();
    const second = await started({ env: { LOG_LEVEL: 'debug', WORKER_RECHECK_SECONDS: '0.1' } });
    expect(second.asked).toBe(false);
    expect(second.worker.output()).toContain('fragile.onnx is missing');
    const id = await platform.add('fragile');
    fs.writeFileSync(place('models', 'fragile.onnx'), 'x');
    expect((await platform.ended(id)).status).toBe('completed');
  });
});
