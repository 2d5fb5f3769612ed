import { backends, folderWith } from '@cl-server/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { newJobId } from '../src/index.js';
import { startEngine, type TestEngine } from './support/engine.js';

const DAY = 86_400_000;

describe.each(backends())('what a user keeps on $name', (backend) => {
  let engine: TestEngine;
  beforeEach(async () => {
    engine = await startEngine(backend);
  });
  afterEach(() => engine.dispose());

  const job = (bytes: number, created_by: string | null = 'ann') => ({
    job_id: newJobId(),
    task_type: 'noop',
    params: {},
    created_by,
    input_bytes: bytes,
  });
  const complete = async (result_bytes: number) => {
    const claim = (await engine.repository.claim({ workerId: 'worker', types: { noop: 1 }, limit: 1 }))[0];
    if (!claim) throw new Error('nothing to claim');
    await engine.repository.complete([{ job_id: claim.job.job_id, token: claim.token, output: null, result_bytes }]);
    return claim.job.job_id;
  };
  const sums = async () =>
    Object.fromEntries(
      (await engine.usage.list()).map(({ user, input_bytes, result_bytes, upload_bytes }) => [
        user ?? 'guests',
        [input_bytes, result_bytes, upload_bytes],
      ]),
    );

  it('is the sum of inputs and committed results, and shrinks with every kind of removal', async () => {
    await engine.repository.addJobs([job(100), job(20), job(3, 'bob'), job(7, null), job(0, 'eve')]);
    expect(await sums()).toEqual({ ann: [120, 0, 0], bob: [3, 0, 0], guests: [7, 0, 0] });
    const done = await complete(1_000);
    expect(await sums()).toMatchObject({ ann: [120, 1_000, 0] });
    await engine.repository.deleteJob(done);
    expect(await sums()).toMatchObject({ ann: [20, 0, 0] });
    for (let count = 0; count < 4; count++) await complete(1);
    engine.clock.advance(1);
    await engine.repository.cleanup(engine.clock.time);
    expect(await sums()).toEqual({ ann: [0, 0, 0], bob: [0, 0, 0], guests: [0, 0, 0], eve: [0, 0, 0] });
  });

  it('stays within the budget while several services write at once; jobs without files are never refused', async () => {
    const engines = [engine, engine.another(), engine.another()];
    await engine.usage.saveEntityBytes('ann', async () => 400);
    const works = Array.from({ length: 15 }, (_, index) => async () => {
      const at = engines[index % 3] as TestEngine;
      if (index % 5 === 4)
        return (
          await at.usage.claim({ id: `${index}`, user: 'ann', bytes: 100, expiresAt: engine.clock.time + DAY }, 1_000)
        ).ok;
      return (await at.repository.addJob(job(100), { maxBytes: 1_000, maxQueued: 50 })).outcome === 'created';
    });
    const taken = await Promise.all(works.map((work) => work()));
    expect(taken.filter((ok) => ok)).toHaveLength(6);
    expect(await engine.repository.addJob(job(1), { maxBytes: 1_000 })).toEqual({
      outcome: 'over_budget',
      used: 1_000,
      allowed: 1_000,
    });
    expect(await engine.repository.addJob(job(0), { maxBytes: 1_000 })).toMatchObject({ outcome: 'created' });
    expect(await engine.repository.addJob(job(1, 'bob'), { maxBytes: 1_000 })).toMatchObject({ outcome: 'created' });
    expect(await engine.repository.addJob(job(1), { maxBytes: 0 }), 'without a limit').toMatchObject({
      outcome: 'created',
    });
  });

  it('has a claim until it becomes an entity, is released or expires, and counts the same claim once', async () => {
    const claim = (bytes: number, limit = 1_000) =>
      engine.usage.claim({ id: 'upload', user: 'ann', bytes, expiresAt: engine.clock.time + DAY }, limit);
    expect(await claim(600)).toEqual({ ok: true });
    expect(await claim(900), 'a claim that grows').toEqual({ ok: true });
    expect(await claim(1_001)).toEqual({ ok: false, used: 0 });
    expect(await sums()).toEqual({ ann: [0, 0, 900] });
    expect(await engine.repository.addJob(job(101), { maxBytes: 1_000 })).toMatchObject({ used: 900 });
    await engine.usage.saveEntityBytes('ann', async () => 950, 'upload');
    expect(await sums()).toEqual({ ann: [0, 0, 0] });
    expect(await claim(51)).toEqual({ ok: false, used: 950 });
    await claim(50);
    engine.clock.advance(DAY);
    expect(await engine.repository.addJob(job(50), { maxBytes: 1_000 })).toMatchObject({ outcome: 'created' });
    await engine.reconciler.full();
    expect(await engine.database.kysely.selectFrom('usage_claims').selectAll().execute()).toEqual([]);
  });

  it('includes jobs of an earlier release once the reconciler has measured them', async () => {
    const old = await engine.add({ created_by: 'ann' });
    await engine.storage.save(old, 'input/a', Buffer.alloc(100));
    const claim = (await engine.repository.claim({ workerId: 'worker', types: { noop: 1 }, limit: 1 }))[0];
    if (!claim) throw new Error('nothing to claim');
    const results = folderWith({ 'output/a': Buffer.alloc(30) });
    expect(await engine.storage.deliver(old, claim.attempt, results)).toBe(30);
    await engine.repository.complete([{ job_id: old, token: claim.token, output: null }]);
    await engine.database.kysely.updateTable('jobs').set({ input_bytes: null, result_bytes: null }).execute();
    expect(await sums()).toEqual({});
    expect(await engine.reconciler.full()).toMatchObject({ jobs_measured: 1 });
    expect(await sums()).toEqual({ ann: [100, 30, 0] });
    expect(await engine.reconciler.full()).toMatchObject({ jobs_measured: 0 });
  });
});
