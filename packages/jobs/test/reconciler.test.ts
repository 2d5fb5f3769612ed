import fs from 'node:fs';
import path from 'node:path';
import { backends, folderWith } from '@cl-server/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { newJobId } from '../src/index.js';
import { RecordingBroadcaster, startEngine, type TestEngine } from './support/engine.js';

const HOUR = 3_600_000;

describe.each(backends())('the reconciler on $name', (backend) => {
  let engine: TestEngine;
  let broker: RecordingBroadcaster;
  beforeEach(async () => {
    broker = new RecordingBroadcaster();
    engine = await startEngine(backend, { broadcaster: broker, jobStatusTopic: true });
    engine.clock.time = Date.now();
  });
  afterEach(() => engine.dispose());

  const folderOf = (id: string, ...rest: string[]): string => path.join(engine.folder, id, ...rest);
  const take = async () => {
    const claim = (await engine.repository.claim({ workerId: 'worker', types: { noop: 1 }, limit: 1 }))[0];
    if (!claim) throw new Error('nothing to claim');
    return { job_id: claim.job.job_id, token: claim.token, attempt: claim.attempt };
  };

  it('removes old folders without a job, and leaves young ones, which may be about to get it', async () => {
    await engine.storage.save('orphan', 'input/a', Buffer.from('x'));
    const kept = await engine.add();
    await engine.storage.save(kept, 'input/a', Buffer.from('x'));
    expect(await engine.reconciler.full()).toMatchObject({ directories_removed: 0 });
    engine.clock.advance(HOUR + 60_000);
    expect(await engine.reconciler.full()).toMatchObject({ directories_removed: 1 });
    expect(fs.existsSync(folderOf('orphan'))).toBe(false);
    expect(fs.existsSync(folderOf(kept))).toBe(true);
  });

  it('removes attempts that came to nothing; never the running nor the committed one', async () => {
    const id = await engine.add();
    const lost = await take();
    await engine.storage.deliver(id, lost.attempt, folderWith({ 'output/a': 'late' }));
    engine.clock.advance(20_001);
    const running = await take();
    await engine.storage.deliver(id, running.attempt, folderWith({ 'output/a': 'in time' }));
    expect(await engine.reconciler.full()).toMatchObject({ attempts_removed: 1 });
    expect(fs.readdirSync(folderOf(id, 'attempts'))).toEqual(['2']);
    await engine.repository.complete([{ ...running, output: null }]);
    // The late writer wakes and writes again.
    await engine.storage.deliver(id, lost.attempt, folderWith({ 'output/a': 'late' }));
    expect(await engine.reconciler.full()).toMatchObject({ attempts_removed: 1 });
    expect(fs.readdirSync(folderOf(id, 'attempts'))).toEqual(['2']);
  });

  it('fails a queued job whose input is gone', async () => {
    const id = await engine.add({ params: { input_path: 'input/a.jpg', output_path: 'output/a.json' } });
    const fine = await engine.add({ params: { input_path: 'input/a.jpg' } });
    await engine.storage.save(fine, 'input/a.jpg', Buffer.from('x'));
    expect(await engine.reconciler.full()).toMatchObject({ jobs_without_files: 1 });
    expect(await engine.repository.getJob(id)).toMatchObject({ status: 'failed', error_code: 'invalid_input' });
    expect(await engine.repository.getJob(fine)).toMatchObject({ status: 'queued' });
  });

  it('clears the retained status of a job one hour after its end, once', async () => {
    const id = await engine.add();
    await engine.repository.complete([{ ...(await take()), output: null }]);
    await engine.events.flush();
    expect(await engine.reconciler.quick()).toMatchObject({ statuses_cleared: 0 });
    engine.clock.advance(HOUR + 1);
    expect(await engine.reconciler.quick()).toMatchObject({ statuses_cleared: 1 });
    expect(await engine.reconciler.quick()).toMatchObject({ statuses_cleared: 0 });
    expect(broker.on(`job/status/${id}`).at(-1)).toBe('');
  });

  it('removes jobs that ended longer ago than they are kept, with files and retained status, a bounded number in each pass', async () => {
    const keeping = engine.another({ retentionMs: 24 * HOUR, retentionBatch: 3 });
    const old = await engine.add();
    await engine.storage.save(old, 'input/a', Buffer.from('x'));
    await engine.repository.complete([{ ...(await take()), output: null }]);
    const cancelled = await engine.add();
    await engine.repository.cancel(cancelled);
    const waiting = await engine.add();
    engine.clock.advance(12 * HOUR);
    const young = await engine.add({ priority: 9 });
    await engine.repository.complete([{ ...(await take()), output: null }]);
    await engine.events.flush();

    engine.clock.advance(12 * HOUR);
    expect(await keeping.reconciler.full(), 'a job of exactly that age is kept').toMatchObject({
      ended_jobs_removed: 0,
    });
    engine.clock.advance(1);
    expect(await engine.reconciler.full(), 'without the setting').toMatchObject({ ended_jobs_removed: 0 });
    expect(await keeping.reconciler.full()).toMatchObject({ ended_jobs_removed: 2 });
    await keeping.events.flush();
    const left = await engine.repository.getJobs([old, cancelled, waiting, young]);
    expect([...left.keys()].sort()).toEqual([waiting, young].sort());
    expect(fs.existsSync(folderOf(old))).toBe(false);
    expect(broker.on(`job/status/${old}`).at(-1)).toBe('');

    await engine.repository.addJobs(
      Array.from({ length: 4 }, () => ({ job_id: newJobId(), task_type: 'many', params: {} })),
    );
    await engine.repository.failQueued('many', 'model_missing', 'no model');
    engine.clock.advance(24 * HOUR + 1);
    const passes = [await keeping.reconciler.full(), await keeping.reconciler.full(), await keeping.reconciler.full()];
    expect(passes.map(({ ended_jobs_removed }) => ended_jobs_removed)).toEqual([3, 2, 0]);
  });

  it('can run in several processes at once: each lease expires once', async () => {
    for (let count = 0; count < 40; count++) await engine.add();
    await engine.repository.claim({ workerId: 'w', types: { noop: 40 }, limit: 40 });
    engine.clock.advance(20_001);
    const others = [engine, engine.another(), engine.another()];
    const reports = await Promise.all(others.map(({ reconciler }) => reconciler.full()));
    expect(reports.reduce((sum, { requeued }) => sum + requeued, 0)).toBe(40);
    const { items } = await engine.repository.list({ limit: 100 });
    expect(items.every(({ status, retry_count }) => status === 'queued' && retry_count === 1)).toBe(true);
  });

  it('runs regularly until it is stopped', async () => {
    await engine.add();
    await take();
    engine.clock.advance(20_001);
    const stop = new AbortController();
    const running = engine.reconciler.run(stop.signal, { quickEveryMs: 10 });
    for await (const job of engine.events.watch((await engine.repository.list({})).items[0]?.job_id ?? '', stop))
      if (job.status === 'queued') break;
    stop.abort();
    await running;
  });
});
