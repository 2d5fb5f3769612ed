import { backends } from '@cl-server/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { jobView, newJobId } from '../src/index.js';
import { startEngine, type TestEngine } from './support/engine.js';

const SHA = 'a'.repeat(64);

describe.each(backends())('jobs on $name', (backend) => {
  let engine: TestEngine;
  beforeAll(async () => {
    engine = await startEngine(backend);
  });
  beforeEach(async () => {
    await engine.database.kysely.deleteFrom('jobs').execute();
    await engine.database.kysely.deleteFrom('job_crashes').execute();
  });
  afterAll(() => engine.dispose());

  const take = async (type = 'noop') => {
    const claim = (await engine.repository.claim({ workerId: 'worker', types: { [type]: 1 }, limit: 1 }))[0];
    if (!claim) throw new Error('nothing to claim');
    return { ...claim, fence: { job_id: claim.job.job_id, token: claim.token } };
  };

  it('come back as they were given, with the defaults of the contract', async () => {
    const job_id = newJobId();
    const params = { width: 5, name: 'ä"\u0000', nested: { list: [1, null] } };
    const added = await engine.repository.addJob({ job_id, task_type: 'resize', params, created_by: '7' });
    expect(added.outcome).toBe('created');
    const stored = await engine.repository.getJob(job_id);
    expect(stored).toEqual(added.outcome === 'created' && added.job);
    expect(jobView(stored as NonNullable<typeof stored>)).toEqual({
      job_id,
      task_type: 'resize',
      status: 'queued',
      progress: 0,
      params,
      task_output: null,
      error_message: null,
      priority: 5,
      created_at: engine.clock.time,
      updated_at: engine.clock.time,
      started_at: null,
      completed_at: null,
      error_code: null,
      created_by: '7',
      retry_count: 0,
      max_retries: 3,
    });
  });

  it('with the same idempotency key are made once for each creator, however many ask at once', async () => {
    const ask = (created_by: string, fingerprint: string) =>
      engine.repository.addJob({
        job_id: newJobId(),
        task_type: 'noop',
        params: {},
        created_by,
        idempotency_key: 'k',
        fingerprint,
      });
    const answers = await Promise.all(Array.from({ length: 8 }, () => ask('1', 'same')));
    expect(answers.filter(({ outcome }) => outcome === 'created')).toHaveLength(1);
    expect(new Set(answers.map((answer) => 'job' in answer && answer.job.job_id)).size).toBe(1);
    expect((await ask('1', 'other')).outcome).toBe('conflict');
    expect((await ask('2', 'same')).outcome).toBe('created');
    expect((await engine.repository.list({})).total).toBe(2);
  });

  it('can be claimed by shares, so that the last ones are left to who has nothing to do', async () => {
    const add = (task_type: string, count: number, priority = 5) =>
      engine.repository.addJobs(
        Array.from({ length: count }, () => ({ job_id: newJobId(), task_type, params: {}, priority })),
      );
    await add('a', 10);
    await add('a', 4, 9);
    await add('b', 3);
    const taken = async (types: Record<string, number>, share: number, minPriority = 0) =>
      (await engine.repository.claim({ workerId: 'w', types, limit: 6, share, minPriority })).map(
        ({ job }) => `${job.task_type}${job.priority}`,
      );
    expect(await taken({ a: 6 }, 4)).toEqual(['a9', 'a9', 'a9']); // 14 / 4
    expect(await taken({ a: 6 }, 2, 9)).toEqual([]); // one of that priority is left
    expect(await taken({ a: 2 }, 2)).toEqual(['a9', 'a5']); // no more than wanted
    expect(await taken({ a: 6, b: 6 }, 3)).toEqual(['a5', 'a5', 'a5', 'b5']); // 9 / 3 and 3 / 3
    expect(await taken({ a: 6 }, 100)).toEqual([]);
    expect(await taken({ a: 6 }, 1)).toHaveLength(6); // without a share all
  });

  it('are limited per creator exactly, though many processes create at once', async () => {
    const others = [engine.another(), engine.another()];
    const answers = await Promise.all(
      Array.from({ length: 30 }, (_, index) =>
        (others[index % 2] ?? engine).repository.addJob(
          { job_id: newJobId(), task_type: 'noop', params: {}, created_by: 'u' },
          { maxQueued: 5 },
        ),
      ),
    );
    expect(answers.filter(({ outcome }) => outcome === 'created')).toHaveLength(5);
    expect(answers.filter(({ outcome }) => outcome === 'limited')).toHaveLength(25);
    await take();
    const one = { job_id: newJobId(), task_type: 'noop', params: {}, created_by: 'u' };
    expect((await engine.repository.addJob(one, { maxQueued: 5 })).outcome).toBe('created');
  });

  it('are claimed once, by however many workers', async () => {
    const ids = await Promise.all(Array.from({ length: 200 }, () => engine.add()));
    const workers = [engine, engine.another(), engine.another(), engine.another()];
    const claimed = await Promise.all(
      workers.map(async ({ repository }, index) => {
        const mine: string[] = [];
        for (;;) {
          const claims = await repository.claim({ workerId: `w${index}`, types: { noop: 7 }, limit: 7 });
          if (claims.length === 0) return mine;
          mine.push(...claims.map(({ job }) => job.job_id));
          await repository.complete(claims.map(({ job, token }) => ({ job_id: job.job_id, token, output: null })));
        }
      }),
    );
    expect(claimed.flat().sort()).toEqual([...ids].sort());
    expect(await engine.repository.counts()).toMatchObject({ completed: 200 });
  });

  it('without output have SQL NULL, and output comes back as an object', async () => {
    await engine.add();
    await engine.add();
    const [first, second] = [await take(), await take()];
    await engine.repository.complete([{ ...first.fence, output: null }]);
    await engine.repository.complete([{ ...second.fence, output: { a: [1] } }]);
    const rows = await engine.database.kysely.selectFrom('jobs').select('output').orderBy('seq').execute();
    expect(rows).toEqual([{ output: null }, { output: '{"a":[1]}' }]);
    expect((await engine.repository.getJob(second.job.job_id))?.task_output).toEqual({ a: [1] });
  });

  it('whose worker is lost are queued again, then fail, and the late writer is refused', async () => {
    const id = await engine.add({ max_retries: 1 });
    const late = await take();
    engine.clock.advance(20_001);
    const now = await take();
    expect(now.attempt).toBe(2);
    expect(await engine.repository.complete([{ ...late.fence, output: { late: true } }])).toEqual([false]);
    expect(await engine.repository.renew([late.fence, now.fence])).toMatchObject([{ state: 'lost' }, { state: 'ok' }]);
    engine.clock.advance(20_001);
    await engine.reconciler.quick();
    expect(await engine.repository.getJob(id)).toMatchObject({
      status: 'failed',
      error_code: 'worker_lost',
      retry_count: 1,
      task_output: null,
    });
  });

  it('keep their leases when the wall clock is set forward', async () => {
    let steady = 0;
    const careful = engine.another({ monotonic: () => steady });
    const id = await engine.add();
    const { fence } = await take();
    await careful.reconciler.quick();
    engine.clock.advance(3_600_000);
    steady += 1_000;
    expect(await careful.reconciler.quick()).toMatchObject({ leases_expired: 0 });
    await careful.repository.renew([fence]);
    engine.clock.advance(20_000);
    steady += 20_000;
    expect(await careful.reconciler.quick()).toMatchObject({ leases_expired: 0 });
    expect(await engine.repository.getJob(id)).toMatchObject({ status: 'processing' });
    engine.clock.advance(1_000);
    steady += 1_000;
    expect(await careful.reconciler.quick()).toMatchObject({ leases_expired: 1 });
  });

  it('keep their leases so too where the process names its wall clock', async () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    try {
      const careful = engine.another({ now: Date.now });
      await engine.add();
      expect((await careful.repository.claim({ workerId: 'worker', types: { noop: 1 }, limit: 1 }))[0]).toBeDefined();
      await careful.reconciler.quick();
      vi.setSystemTime(Date.now() + 3_600_000);
      expect(await careful.reconciler.quick()).toMatchObject({ leases_expired: 0 });
    } finally {
      vi.useRealTimers();
    }
  });

  it('whose file crashed the task twice are quarantined, and so is the next job with that file', async () => {
    const job = { input_sha256: SHA, task_type: 'decode' };
    const id = await engine.add(job);
    const crash = async () => {
      const { fence } = await take('decode');
      return engine.repository.fail([{ ...fence, code: 'task_crashed', message: 'died', crashed: true }]);
    };
    expect(await crash()).toMatchObject([{ status: 'queued', retry_count: 1 }]);
    engine.clock.advance(1_000);
    expect(await crash()).toMatchObject([{ status: 'failed', error_code: 'quarantined' }]);
    const next = await engine.add(job);
    expect(await engine.repository.getJob(next)).toMatchObject({ status: 'failed', error_code: 'quarantined' });
    expect(await engine.repository.getJob(await engine.add({ ...job, task_type: 'other' }))).toMatchObject({
      status: 'queued',
    });
    expect(await engine.repository.retry(id)).toMatchObject({ outcome: 'queued' });
    expect(await engine.repository.getJob(await engine.add(job))).toMatchObject({ status: 'queued' });
  });

  it('are found by every filter, page after page, newest first', async () => {
    const ids: string[] = [];
    for (let at = 0; at < 7; at++) {
      engine.clock.advance(10);
      ids.unshift(
        await engine.add({ task_type: at % 2 ? 'odd' : 'even', created_by: `u${at % 3}`, params: { n: `N_${at}%` } }),
      );
    }
    const { repository } = engine;
    const walked: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await repository.list({ limit: 3, cursor });
      expect(page).toMatchObject({ total: 7, total_is_estimate: false });
      walked.push(...page.items.map(({ job_id }) => job_id));
      cursor = page.next_cursor ?? undefined;
    } while (cursor);
    expect(walked).toEqual(ids);
    expect((await repository.list({ task_type: 'odd' })).total).toBe(3);
    expect((await repository.list({ created_by: 'u0' })).total).toBe(3);
    expect((await repository.list({ q: 'n_4%' })).items.map(({ job_id }) => job_id)).toEqual([ids[2]]);
    expect((await repository.list({ q: 'n_4_' })).total).toBe(0);
    const { created_at } = (await repository.getJob(ids[3] ?? '')) ?? { created_at: 0 };
    expect((await repository.list({ created_after: created_at })).total).toBe(4);
    expect((await repository.list({ created_before: created_at })).total).toBe(3);
    await repository.cancel(ids[0] ?? '');
    expect((await repository.list({ status: 'cancelled' })).items.map(({ job_id }) => job_id)).toEqual([ids[0]]);
    expect((await repository.list({ status: 'queued' })).total).toBe(6);
    await expect(repository.list({ cursor: 'forged' })).rejects.toMatchObject({ code: 'bad_cursor' });
  });

  it('are counted by task with the age of the oldest', async () => {
    await engine.add({ task_type: 'a' });
    engine.clock.advance(500);
    await engine.add({ task_type: 'a' });
    await engine.add({ task_type: 'b' });
    await take('b');
    expect((await engine.repository.stats()).by_task).toEqual([
      { task_type: 'a', queued: 2, processing: 0, oldest_queued_ms: 500 },
      { task_type: 'b', queued: 0, processing: 1, oldest_queued_ms: null },
    ]);
    expect(await engine.repository.failQueued('a', 'model_missing', 'put model.onnx there')).toBe(2);
    expect(await engine.repository.counts()).toEqual({ queued: 0, processing: 1, completed: 0, failed: 2 });
  });

  it('that ended long ago are cleaned up with their files, live ones never', async () => {
    const { repository, storage } = engine;
    const [old, live, running] = [
      await engine.add(),
      await engine.add({ priority: 0 }),
      await engine.add({ priority: 1 }),
    ];
    for (const id of [old, live, running]) await storage.save(id, 'input/a.bin', Buffer.alloc(100));
    const { fence } = await take();
    await take();
    await repository.complete([{ ...fence, output: null }]);
    expect(await repository.cleanup(engine.clock.time)).toEqual({ deleted_count: 0, freed_space: 0 });
    engine.clock.advance(1);
    expect(await repository.cleanup(engine.clock.time)).toEqual({ deleted_count: 1, freed_space: 100 });
    expect(await repository.getJob(old)).toBeUndefined();
    expect((await storage.size()).job_count).toBeGreaterThanOrEqual(2);
    await storage.localFile({ job_id: live, committed_attempt: null }, 'input/a.bin');
    await storage.localFile({ job_id: running, committed_attempt: null }, 'input/a.bin');
  });

  it('are found by each of two workers that look at once for several types', async () => {
    const workers = [engine.another(), engine.another()];
    for (let round = 0; round < 30; round++) {
      await engine.repository.addJobs(
        ['a', 'b'].map((task_type) => ({ job_id: newJobId(), task_type: `${task_type}${round}`, params: {} })),
      );
      const types = { [`a${round}`]: 1, [`b${round}`]: 1, other: 1 };
      const claims = await Promise.all(
        workers.map(({ repository }, index) => repository.claim({ workerId: `w${index}`, types, limit: 1 })),
      );
      expect(claims.map((mine) => mine.length)).toEqual([1, 1]);
    }
  });

  it('of a type are never claimed beyond its slots, the others fill the limit', async () => {
    await engine.repository.addJobs(
      ['few', 'few', 'few', 'many', 'many', 'many'].map((task_type) => ({ job_id: newJobId(), task_type, params: {} })),
    );
    const claims = await engine.repository.claim({ workerId: 'w', types: { few: 1, many: 4 }, limit: 3 });
    expect(claims.map(({ job }) => job.task_type)).toEqual(['few', 'many', 'many']);
  });

  it('ten thousand stuck in front do not slow claims of another type', async () => {
    const stuck = Array.from({ length: 10_000 }, () => ({
      job_id: newJobId(),
      task_type: 'stuck',
      params: {},
      priority: 10,
    }));
    for (let from = 0; from < stuck.length; from += 500) await engine.repository.addJobs(stuck.slice(from, from + 500));
    const timed = async (): Promise<number> => {
      const start = performance.now();
      for (let round = 0; round < 20; round++) {
        await engine.add();
        await take();
      }
      return performance.now() - start;
    };
    const behind = await timed();
    await engine.database.kysely.deleteFrom('jobs').execute();
    const clean = await timed();
    expect(behind).toBeLessThan(clean * 4 + 100);
  });
});
