import fs from 'node:fs';
import path from 'node:path';
import { eventually } from '@cl-server/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isAlive, type TestPlatform, testPlatform, type WorkerProcess } from './support/platform.js';

describe('tasks in their own processes', () => {
  let platform: TestPlatform;
  let worker: WorkerProcess;
  beforeAll(async () => {
    platform = await testPlatform({
      plugins: ['noop', 'probe', 'careless', 'shared', 'fragile', 'explosive', 'broken'],
      reconciles: true,
    });
    worker = platform.start({
      args: ['--concurrency', '2'],
      env: { WORKER_RUNNER_MEMORY: '60MB', WORKER_RECHECK_SECONDS: '0.2', A_TOOL_PATH: '/bin/sh' },
    });
    await worker.ready;
  });
  afterAll(() => platform.close());

  const run = async (params: object, more: object = {}) => {
    const id = await platform.add('probe', { output_path: 'x', ...params }, { max_retries: 0, ...more });
    return platform.ended(id);
  };
  const attemptsOf = (id: string): string[] => [...platform.delivered(id), ...platform.beingWritten(id)];

  it('fail with the reason when they crash, and no other job notices', async () => {
    const other = platform.add('probe', { action: 'wait', ms: 400 });
    const crashed = await run({ action: 'crash' });
    expect(crashed).toMatchObject({ status: 'failed', error_code: 'task_crashed' });
    expect(crashed.error_message).toContain('SIGSEGV');
    expect(attemptsOf(crashed.job_id)).toEqual([]);
    const late = await run({ action: 'reject_later' });
    expect(late).toMatchObject({ status: 'failed', error_code: 'task_crashed' });
    expect(await platform.ended(await other)).toMatchObject({ status: 'completed', retry_count: 0 });
  });

  it('fail with the reason when they use more memory than they may', async () => {
    const job = await run({ action: 'memory' });
    expect(job).toMatchObject({ error_code: 'task_crashed', error_message: expect.stringContaining('out of memory') });
  });

  it('are tried again after a crash, and quarantined when the same file crashes them twice', async () => {
    expect(await run({ action: 'crash_once' }, { max_retries: 3 })).toMatchObject({
      status: 'completed',
      retry_count: 1,
      committed_attempt: 2,
    });
    const hash = 'a'.repeat(64);
    const job = await run({ action: 'crash' }, { max_retries: 3, input_sha256: hash });
    expect(job).toMatchObject({ status: 'failed', error_code: 'quarantined' });
    expect(job.attempt).toBe(2);
  });

  it('are stopped at their time limit, politely or not', async () => {
    for (const action of ['wait', 'block'])
      expect([action, await run({ action }, { timeout_ms: 300 })]).toMatchObject([
        action,
        { error_code: 'timeout', error_message: 'The task did not end within 0.3 seconds' },
      ]);
  });

  it('are stopped by a cancel, and the tools they started with them', async () => {
    const note = path.join(platform.dataDir, 'streams', 'tool.pid');
    const id = await platform.add('probe', { action: 'tool', note });
    const tool = Number(await eventually(() => fs.existsSync(note) && fs.readFileSync(note, 'utf8')));
    expect(isAlive(tool)).toBe(true);
    expect(await platform.jobs.repository.cancel(id)).toMatchObject({ outcome: 'requested' });
    expect(await platform.ended(id)).toMatchObject({ status: 'failed', error_code: 'cancelled' });

    fs.rmSync(note);
    const deaf = await platform.add('probe', { action: 'block', note });
    await eventually(async () => (await platform.job(deaf)).status === 'processing');
    await platform.jobs.repository.cancel(deaf);
    expect(await platform.ended(deaf)).toMatchObject({ status: 'failed', error_code: 'cancelled' });
    await eventually(() => attemptsOf(deaf).length === 0);
  });

  it('are stopped when their job is deleted, and their files do not come back', async () => {
    const id = await platform.add('probe', { action: 'wait' });
    await eventually(() => attemptsOf(id).length > 0);
    await platform.jobs.repository.deleteJob(id);
    await eventually(() => attemptsOf(id).length === 0, { what: 'the end of the attempt' });
    expect(fs.existsSync(path.join(platform.dataDir, 'compute', id))).toBe(false);
  });

  it('say what went wrong without paths of the server', async () => {
    expect(await run({ action: 'fail' })).toMatchObject({
      error_code: 'task_failed',
      error_message: 'The task failed: cannot read secret.jpg: bad thing',
    });
    expect(await run({ action: 'refuse' }, { max_retries: 3 })).toMatchObject({
      error_code: 'invalid_input',
      error_message: 'The file is not what it should be',
      retry_count: 0,
    });
    const wrong = await run({ action: 'wrong_output' }, { max_retries: 3 });
    expect(wrong).toMatchObject({ error_code: 'task_failed', task_output: null, retry_count: 0 });
    expect(wrong.error_message).toContain('attempt');
    expect(await run({ action: 'ok', input_path: 'input/gone.jpg' })).toMatchObject({ error_code: 'invalid_input' });
  });

  it('have their progress told, never falling', async () => {
    const id = await platform.add('probe', { action: 'progress' });
    const seen: number[] = [];
    await eventually(async () => {
      const { progress, status } = await platform.job(id);
      seen.push(progress);
      return status === 'completed';
    });
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
    expect(seen.some((percent) => percent > 0 && percent < 100)).toBe(true);
    expect(seen.at(-1)).toBe(100);
  });

  it('log under the job, whatever way they say it', async () => {
    const { job_id } = await run({ action: 'print' });
    const lines = await eventually(() => {
      const found = worker
        .output()
        .split('\n')
        .filter((line) => line.includes(job_id));
      return found.length >= 2 && found;
    });
    expect(lines.join('\n')).toContain('printed by a library');
    expect(lines.find((line) => line.includes('said by the task'))).toContain('"detail":7');
  });

  it('see their mistakes in the job and in the log, and run with the tools that they require', async () => {
    const careless = async (action: string) =>
      platform.ended(await platform.add('careless', { action, output_path: 'output/main.txt' }));
    const [nothing, list, noFile, logged] = await Promise.all(
      ['nothing', 'list', 'no_file', 'log'].map((action) => careless(action)),
    );
    const failed = { status: 'failed', error_code: 'task_failed', retry_count: 0 };
    expect(nothing).toMatchObject({ ...failed, error_message: expect.stringContaining('careless returned undefined') });
    expect(list).toMatchObject({ ...failed, error_message: expect.stringContaining('careless returned a list') });
    expect(noFile).toMatchObject({
      ...failed,
      error_message: expect.stringMatching(/careless did not write .* output\/main.txt: write it with files\.write/),
    });
    expect(logged).toMatchObject({ status: 'completed', task_output: { done: true } });
    const lines = await eventually(() => {
      const found = worker
        .output()
        .split('\n')
        .filter((line) => line.includes(logged?.job_id ?? '?'));
      return found.length >= 3 && found;
    });
    expect(lines).toEqual([
      expect.stringContaining('"msg":"only a text"'),
      expect.stringMatching(/"level":"warn".*"detail":8.*"msg":"a text first"/),
      expect.stringMatching(/"level":"error".*"msg":"an error alone"/),
    ]);
  });

  it('have the returned value as their main result file if they write none and name none', async () => {
    const job = await platform.ended(await platform.add('noop', { output_path: 'output/noop.json' }));
    const file = await platform.jobs.storage.localFile(job, 'output/noop.json');
    expect(JSON.parse(fs.readFileSync(file, 'utf8'))).toEqual(job.task_output);
  });

  it('share a process where they say so, in batches; a crash there is tracked down to its job', async () => {
    // Two long jobs hold the slots until the others are all queued.
    const holders = [
      await platform.add('probe', { action: 'wait', ms: 300 }),
      await platform.add('probe', { action: 'wait', ms: 300 }),
    ];
    await eventually(async () => (await platform.job(holders[1] ?? '')).status === 'processing');
    const ids = await Promise.all([1, 2, 3, 4].map(() => platform.add('shared', { ms: 10 })));
    const jobs = await Promise.all(ids.map((id) => platform.ended(id)));
    expect(new Set(jobs.map((job) => (job.task_output as { pid: number }).pid)).size).toBe(1);
    expect(jobs.map((job) => (job.task_output as { size: number }).size)).toEqual([4, 4, 4, 4]);

    const guilty = await platform.add('shared', { ms: 200, crash: true });
    const innocent = await platform.add('shared', { ms: 1000 });
    expect(await platform.ended(innocent)).toMatchObject({ status: 'completed' });
    // Tried again alone, it crashed twice by itself.
    expect(await platform.ended(guilty)).toMatchObject({ status: 'failed', error_code: 'quarantined' });
  });

  it('are tried again alone after a batch that ran out of time, and only the slow one fails', async () => {
    const holders = [
      await platform.add('probe', { action: 'wait', ms: 300 }),
      await platform.add('probe', { action: 'wait', ms: 300 }),
    ];
    await eventually(async () => (await platform.job(holders[1] ?? '')).status === 'processing');
    const [slow, quick] = await Promise.all(
      [60_000, 10].map((ms) => platform.add('shared', { ms }, { timeout_ms: 1_500 })),
    );
    expect(await platform.ended(quick ?? '')).toMatchObject({ status: 'completed', retry_count: 1 });
    expect(await platform.ended(slow ?? '')).toMatchObject({ status: 'failed', error_code: 'timeout' });
  });

  it('that cannot be set up are out of use until they can, and their waiting jobs fail', async () => {
    expect((await worker.ready).tasks).toEqual(['careless', 'noop', 'probe', 'shared']);
    expect(worker.output()).toContain('this plugin lacks a library');
    expect(worker.output()).toContain('its set-up ended the process: SIGSEGV');
    const id = await platform.add('fragile');
    expect(await platform.ended(id)).toMatchObject({
      error_code: 'model_missing',
      error_message: 'fragile.onnx is missing: put it into MODELS_DIR',
      attempt: 0,
    });
    fs.mkdirSync(path.join(platform.dataDir, 'models'), { recursive: true });
    fs.writeFileSync(path.join(platform.dataDir, 'models', 'fragile.onnx'), 'x');
    await eventually(async () => {
      const again = await platform.add('fragile');
      return (await platform.ended(again)).status === 'completed';
    });
  });
});
