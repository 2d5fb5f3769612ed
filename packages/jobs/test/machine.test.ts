import { JOB_STATUSES, type JobStatus } from '@cl-server/contract';
import { describe, expect, it } from 'vitest';
import { type ActionType, type JobAction, TRANSITIONS, transition } from '../src/machine.js';

const ACTIONS: { readonly [T in ActionType]: Extract<JobAction, { type: T }> } = {
  claim: { type: 'claim', token: '3.x', workerId: 'w', leaseUntil: 9 },
  progress: { type: 'progress', percent: 40 },
  complete: { type: 'complete', output: '{}' },
  fail: { type: 'fail', code: 'task_failed', message: 'no', retryable: true },
  release: { type: 'release' },
  cancel: { type: 'cancel' },
  expire: { type: 'expire' },
  reject: { type: 'reject', code: 'model_missing', message: 'no' },
  retry: { type: 'retry' },
};
const POLICY = { delayMs: 1_000, maxDelayMs: 5_000 };
const NOW = 1_000_000;

const job = (status: JobStatus, more: object = {}) => ({
  status,
  progress: 30,
  attempt: 2,
  retry_count: 1,
  max_retries: 3,
  cancel_requested: 0,
  ...more,
});

/** The state after each action, written out by hand: tries left, no cancel asked for. What is not here is refused. */
const EXPECTED: Record<JobStatus, Partial<Record<ActionType, JobStatus>>> = {
  queued: { claim: 'processing', cancel: 'failed', reject: 'failed' },
  processing: {
    progress: 'processing',
    complete: 'completed',
    fail: 'queued',
    release: 'queued',
    cancel: 'processing',
    expire: 'queued',
  },
  completed: {},
  failed: { retry: 'queued' },
};

describe('the state machine', () => {
  const pairs = JOB_STATUSES.flatMap((status) =>
    (Object.keys(ACTIONS) as ActionType[]).map((type) => ({ status, type })),
  );

  it.each(pairs)('$status + $type', ({ status, type }) => {
    const before = job(status);
    const patch = transition(before, ACTIONS[type], NOW, POLICY);
    const expected = EXPECTED[status][type];
    if (expected === undefined) {
      expect(patch).toBeUndefined();
      expect(TRANSITIONS[status][type]).toBeUndefined();
      return;
    }
    expect(patch).toBeDefined();
    const after = { ...before, ...patch };
    expect(after.status).toBe(expected);
    expect(TRANSITIONS[status][type]).toContain(expected);
    expect(patch?.updated_at).toBe(NOW);
    if (after.status !== 'processing' && before.status === 'processing')
      expect(patch).toMatchObject({ token: null, lease_until: null, worker_id: null, cancel_requested: 0 });
    if (after.status === 'completed' || after.status === 'failed') expect(patch?.completed_at).toBe(NOW);
  });

  it('delays retries, doubling up to the maximum, and fails when none is left', () => {
    const delays = [0, 1, 2, 3, 4].map((retry_count) => {
      const patch = transition(job('processing', { retry_count, max_retries: 5 }), ACTIONS.fail, NOW, POLICY);
      expect(patch).toMatchObject({ status: 'queued', retry_count: retry_count + 1 });
      return (patch?.run_after ?? 0) - NOW;
    });
    expect(delays).toEqual([1_000, 2_000, 4_000, 5_000, 5_000]);
    expect(transition(job('processing', { retry_count: 3 }), ACTIONS.fail, NOW, POLICY)).toMatchObject({
      status: 'failed',
      error_code: 'task_failed',
    });
    expect(transition(job('processing', { retry_count: 3 }), ACTIONS.expire, NOW, POLICY)).toMatchObject({
      status: 'failed',
      error_code: 'worker_lost',
    });
  });

  it('never retries a permanent failure', () => {
    const permanent = { ...ACTIONS.fail, retryable: false };
    expect(transition(job('processing', { retry_count: 0 }), permanent, NOW, POLICY)).toMatchObject({
      status: 'failed',
    });
  });

  it.each(['fail', 'release', 'expire'] as const)('ends a job that was to be cancelled as cancelled on %s', (type) => {
    expect(transition(job('processing', { cancel_requested: 1 }), ACTIONS[type], NOW, POLICY)).toMatchObject({
      status: 'failed',
      error_code: 'cancelled',
      cancel_requested: 0,
    });
  });

  it('lets a result that was ready win over a request to cancel', () => {
    const patch = transition(job('processing', { cancel_requested: 1 }), ACTIONS.complete, NOW, POLICY);
    expect(patch).toMatchObject({ status: 'completed', committed_attempt: 2, progress: 100, error_code: null });
  });

  it('never lowers progress and keeps 100 for the commit', () => {
    const at = (percent: number) => transition(job('processing'), { type: 'progress', percent }, NOW, POLICY)?.progress;
    expect([at(10), at(30), at(31), at(100), at(1_000)]).toEqual([30, 30, 31, 99, 99]);
  });
});
