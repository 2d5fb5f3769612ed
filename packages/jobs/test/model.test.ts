/**
 * Random sequences of commands against the repository and against a reference that is as simple as can be: whatever
 * happens in whatever order, both agree on every job, on every answer, and on who gets which job next.
 */
import { backends } from '@cl-server/testing';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Claim, JobRecord } from '../src/index.js';
import { startEngine, type TestEngine } from './support/engine.js';

const TYPES = ['a', 'b'] as const;
const LEASE = 20_000;

type Status = 'queued' | 'processing' | 'completed' | 'failed';

interface ModelJob {
  id: string;
  type: string;
  priority: number;
  created: number;
  order: number;
  maxRetries: number;
  status: Status;
  progress: number;
  retries: number;
  attempt: number;
  committed: number | null;
  token: string | null;
  lease: number;
  delayedUntil: number;
  cancel: boolean;
  code: string | null;
}

/** The state of one sequence: real claims with their job in the model, also old claims, which late writers hold. */
interface World {
  readonly engine: TestEngine;
  readonly jobs: Map<string, ModelJob>;
  readonly claims: { claim: Claim; job: ModelJob }[];
  executed: number;
  order: number;
}

const pick = <T>(list: readonly T[], index: number): T | undefined => list[index % Math.max(1, list.length)];

const holds = ({ claim, job }: World['claims'][number], world: World): boolean =>
  world.jobs.has(job.id) && job.status === 'processing' && job.token === claim.token;

function free(job: ModelJob, status: Status): void {
  job.status = status;
  job.token = null;
  job.cancel = false;
}
function end(job: ModelJob, code: string): void {
  free(job, 'failed');
  job.code = code;
}
function again(job: ModelJob, at: number): void {
  free(job, 'queued');
  job.retries += 1;
  job.delayedUntil = at;
}
function fail(job: ModelJob, code: string, retryable: boolean, now: number): void {
  if (job.cancel) end(job, 'cancelled');
  else if (retryable && job.retries < job.maxRetries) again(job, now + 1_000 * 2 ** job.retries);
  else end(job, code);
}
function expire(world: World): void {
  const now = world.engine.clock.time;
  for (const job of world.jobs.values()) {
    if (job.status !== 'processing' || job.lease >= now) continue;
    if (job.cancel) end(job, 'cancelled');
    else if (job.retries < job.maxRetries) again(job, 0);
    else end(job, 'worker_lost');
  }
}

type Command = (world: World) => Promise<void>;
const command = <T>(
  arbitrary: fc.Arbitrary<T>,
  run: (world: World, value: T) => Promise<void>,
): fc.Arbitrary<Command> => arbitrary.map((value) => (world: World) => run(world, value));
const index = fc.nat(30);

const add = command(
  fc.record({
    type: fc.constantFrom(...TYPES),
    priority: fc.nat(10),
    maxRetries: fc.nat(2),
    many: fc.integer({ min: 1, max: 3 }),
  }),
  async (world, { type, priority, maxRetries, many }) => {
    for (let copy = 0; copy < many; copy++) {
      const id = await world.engine.add({ task_type: type, priority, max_retries: maxRetries });
      world.order += 1;
      world.jobs.set(id, {
        id,
        type,
        priority,
        created: world.engine.clock.time,
        order: world.order,
        maxRetries,
        status: 'queued',
        progress: 0,
        retries: 0,
        attempt: 0,
        committed: null,
        token: null,
        lease: 0,
        delayedUntil: 0,
        cancel: false,
        code: null,
      });
    }
  },
);

const claim = command(
  fc.record({ a: fc.nat(3), b: fc.nat(3), limit: fc.nat(4), minPriority: fc.constantFrom(0, 0, 0, 6) }),
  async (world, { a, b, limit, minPriority }) => {
    const now = world.engine.clock.time;
    expire(world);
    const slots: Record<string, number> = { a, b };
    const expected: ModelJob[] = [];
    const waiting = [...world.jobs.values()]
      .filter((job) => job.status === 'queued' && job.delayedUntil <= now && job.priority >= minPriority)
      .sort((x, y) => y.priority - x.priority || x.created - y.created || x.order - y.order);
    for (const job of waiting) {
      const left = slots[job.type] ?? 0;
      if (expected.length === limit || left === 0) continue;
      slots[job.type] = left - 1;
      expected.push(job);
    }
    const claims = await world.engine.repository.claim({ workerId: 'w', types: { a, b }, limit, minPriority });
    expect(claims.map(({ job }) => job.job_id)).toEqual(expected.map(({ id }) => id));
    for (const [at, taken] of claims.entries()) {
      const job = expected[at] as ModelJob;
      job.status = 'processing';
      job.attempt += 1;
      job.lease = now + LEASE;
      job.token = taken.token;
      expect(taken.attempt).toBe(job.attempt);
      world.claims.push({ claim: taken, job });
    }
  },
);

const complete = command(fc.array(index, { minLength: 1, maxLength: 3 }), async (world, indexes) => {
  const chosen = [...new Set(indexes.map((at) => pick(world.claims, at)).filter((held) => held !== undefined))];
  const expected = chosen.map((held) => holds(held, world));
  const answers = await world.engine.repository.complete(
    chosen.map(({ claim: { job, token } }) => ({ job_id: job.job_id, token, output: { by: token } })),
  );
  expect(answers).toEqual(expected);
  for (const [at, { job }] of chosen.entries()) {
    if (!expected[at]) continue;
    free(job, 'completed');
    job.progress = 100;
    job.committed = job.attempt;
    job.code = null;
  }
});

const failing = command(
  fc.record({ at: index, retryable: fc.boolean(), released: fc.boolean() }),
  async (world, { at, retryable, released }) => {
    const held = pick(world.claims, at);
    if (!held) return;
    const accepted = holds(held, world);
    const { claim: taken, job } = held;
    const [answer] = await world.engine.repository.fail([
      { job_id: job.id, token: taken.token, code: 'task_failed', message: 'x', retryable, released },
    ]);
    expect(answer !== undefined).toBe(accepted);
    if (!accepted) return;
    if (!released) fail(job, 'task_failed', retryable, world.engine.clock.time);
    else if (job.cancel) end(job, 'cancelled');
    else {
      free(job, 'queued');
      job.delayedUntil = 0;
    }
  },
);

const progress = command(fc.record({ at: index, percent: fc.nat(120) }), async (world, { at, percent }) => {
  const held = pick(world.claims, at);
  if (!held) return;
  const accepted = holds(held, world);
  const fence = { job_id: held.job.id, token: held.claim.token };
  expect(await world.engine.repository.progress([{ ...fence, percent }])).toEqual([accepted]);
  if (accepted) held.job.progress = Math.max(held.job.progress, Math.min(99, percent));
});

const renew = command(index, async (world, at) => {
  const held = pick(world.claims, at);
  if (!held) return;
  const accepted = holds(held, world);
  const [answer] = await world.engine.repository.renew([{ job_id: held.job.id, token: held.claim.token }]);
  expect(answer?.state).toBe(accepted ? (held.job.cancel ? 'cancel' : 'ok') : 'lost');
  if (accepted) held.job.lease = world.engine.clock.time + LEASE;
});

const cancel = command(index, async (world, at) => {
  const job = pick([...world.jobs.values()], at);
  if (!job) return;
  const { outcome } = await world.engine.repository.cancel(job.id);
  expect(outcome).toBe(
    { queued: 'cancelled', processing: 'requested', completed: 'ended', failed: 'ended' }[job.status],
  );
  if (job.status === 'queued') end(job, 'cancelled');
  else if (job.status === 'processing') job.cancel = true;
});

const retry = command(index, async (world, at) => {
  const job = pick([...world.jobs.values()], at);
  if (!job) return;
  const { outcome } = await world.engine.repository.retry(job.id);
  expect(outcome).toBe(job.status === 'failed' ? 'queued' : 'not_failed');
  if (job.status === 'failed')
    Object.assign(job, { status: 'queued', progress: 0, retries: 0, code: null, delayedUntil: 0 });
});

const remove = command(index, async (world, at) => {
  const job = pick([...world.jobs.values()], at);
  if (!job) return;
  expect(await world.engine.repository.deleteJob(job.id)).toBe(true);
  world.jobs.delete(job.id);
});

const wait = command(fc.constantFrom(1, 900, 5_000, 21_000), async (world, ms) => world.engine.clock.advance(ms));

const reconcile = command(fc.constant(null), async (world) => {
  expire(world);
  await world.engine.reconciler.quick();
});

const commands = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: add },
    { weight: 6, arbitrary: claim },
    { weight: 5, arbitrary: complete },
    { weight: 4, arbitrary: failing },
    { weight: 3, arbitrary: progress },
    { weight: 3, arbitrary: renew },
    { weight: 2, arbitrary: cancel },
    { weight: 2, arbitrary: retry },
    { weight: 1, arbitrary: remove },
    { weight: 3, arbitrary: wait },
    { weight: 1, arbitrary: reconcile },
  ),
  { minLength: 60, maxLength: 120, size: 'max' },
);

const modelView = (job: ModelJob) => ({
  status: job.status,
  progress: job.progress,
  retry_count: job.retries,
  attempt: job.attempt,
  committed_attempt: job.committed,
  cancel_requested: job.cancel,
  error_code: job.code,
  lease_until: job.status === 'processing' ? job.lease : null,
});
const storedView = (job: JobRecord) => ({
  status: job.status,
  progress: job.progress,
  retry_count: job.retry_count,
  attempt: job.attempt,
  committed_attempt: job.committed_attempt,
  cancel_requested: job.cancel_requested,
  error_code: job.error_code,
  lease_until: job.lease_until,
});

async function agree({ engine, jobs }: World): Promise<void> {
  const stored = await engine.repository.getJobs([...jobs.keys()]);
  const actual = Object.fromEntries([...stored].map(([id, job]) => [id, storedView(job)]));
  expect(actual).toEqual(Object.fromEntries([...jobs].map(([id, job]) => [id, modelView(job)])));
  const { total } = await engine.repository.list({ limit: 1 });
  expect(total).toBe(jobs.size);
}

describe.each(backends())('the repository on $name', (backend) => {
  let engine: TestEngine;
  let executed = 0;
  beforeAll(async () => {
    engine = await startEngine(backend);
  });
  afterAll(() => engine.dispose());

  it('does what the reference model does, over ten thousand random commands', { timeout: 300_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(commands, async (sequence) => {
        const world: World = { engine, jobs: new Map(), claims: [], executed: 0, order: 0 };
        try {
          for (const run of sequence) {
            await run(world);
            executed += 1;
          }
          await agree(world);
        } finally {
          await engine.database.kysely.deleteFrom('jobs').execute();
        }
      }),
      { numRuns: 120, endOnFailure: false },
    );
    expect(executed).toBeGreaterThan(10_000);
  });
});
