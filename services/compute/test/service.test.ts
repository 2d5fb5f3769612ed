import { backends, folderWith } from '@cl-server/testing';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ADMIN, ANN, EVE, startService, type TestService, tokenOf } from './support/service.js';

describe.each(backends())('who may do what ($name)', (backend) => {
  let compute: TestService;
  beforeAll(async () => {
    compute = await startService(backend);
  });
  afterEach(() => compute.request('PUT', '/admin/pref/guest-mode', ADMIN, { guest_mode: 'false' }));
  afterAll(() => compute.close());
  const create = (token?: string) => compute.request('POST', '/jobs/count', token, { to: '1' });

  it.each([
    ['a stranger', undefined, 401, 'Authentication required'],
    ['a token that is none', 'nonsense', 401, 'Could not validate credentials'],
    ['an old token', tokenOf({ id: '2' }, -10), 401, 'JWT token has expired'],
    ['a user without the right', EVE, 403, 'Insufficient permissions. Required: ai_inference_support'],
  ])('%s is refused', async (_who, token, status, detail) => {
    const answer = await create(token);
    expect([answer.status, answer.json.detail]).toEqual([status, detail]);
    expect(answer.headers.get('www-authenticate')).toBe(status === 401 ? 'Bearer' : null);
  });

  it('a user with the right creates jobs and no more; an admin all', async () => {
    expect((await create(ANN)).status).toBe(200);
    expect((await create(ADMIN)).status).toBe(200);
    const refused = await compute.request('GET', '/admin/pref', ANN);
    expect([refused.status, refused.json.detail]).toEqual([403, 'Insufficient permissions. Admin access required']);
    expect((await compute.request('GET', '/admin/pref', ADMIN)).status).toBe(200);
  });

  it('guest mode is set and read at all its spellings, and opens jobs but nothing of the admin’s', async () => {
    expect((await compute.request('GET', '/')).json).toEqual({
      status: 'healthy',
      service: 'Task Server',
      version: 'v1',
      guestMode: 'off',
      auth_required: true,
    });
    for (const where of ['/admin/pref/guest-mode', '/admin/config/guest-mode']) {
      const set = await compute.request('PUT', where, ADMIN, { guest_mode: 'true' });
      expect(set.json).toEqual({ guest_mode: true, message: 'Configuration updated successfully' });
      expect((await compute.request('GET', where, ADMIN)).json).toEqual({ guest_mode: true });
    }
    for (const where of ['/admin/pref', '/admin/config'])
      expect((await compute.request('GET', where, ADMIN)).json).toEqual({
        guest_mode: true,
        updated_at: expect.any(Number),
        updated_by: '1',
      });
    expect((await compute.request('GET', '/')).json).toMatchObject({ guestMode: 'on', auth_required: false });
    const made = await create();
    expect(made.status).toBe(200);
    expect((await create('nonsense')).status).toBe(200);
    const job = (await compute.request('GET', `/jobs/${made.json.job_id}`)).json;
    expect(job.created_by).toBe(null);
    for (const [method, where] of [
      ['GET', '/admin/pref'],
      ['PUT', '/admin/pref/guest-mode'],
      ['GET', '/admin/jobs/storage/size'],
      ['DELETE', '/admin/jobs/cleanup'],
    ] as const)
      expect([where, (await compute.request(method, where)).status]).toEqual([where, 401]);
  });

  it('a wrong preference is refused', async () => {
    expect((await compute.request('PUT', '/admin/pref/guest-mode', ADMIN, {})).status).toBe(422);
    expect((await compute.request('PUT', '/admin/pref/guest-mode', ADMIN, { guest_mode: 'x' })).status).toBe(422);
  });

  it('without a broker and a worker the list of workers is empty', async () => {
    expect((await compute.request('GET', '/capabilities')).json).toEqual({ num_workers: 0, capabilities: {} });
    expect((await compute.request('GET', '/workers', ANN)).json).toEqual({ items: [] });
    expect((await compute.request('GET', '/workers')).status).toBe(401);
  });
});

describe.each(backends())('without authentication ($name)', (backend) => {
  it('everybody may do everything, whatever token comes along', async () => {
    const compute = await startService(backend, { noAuth: true });
    expect((await compute.request('POST', '/jobs/count', undefined, {})).status).toBe(200);
    expect((await compute.request('GET', '/admin/pref', 'nonsense')).status).toBe(200);
    expect((await compute.request('GET', '/')).json).toMatchObject({ guestMode: 'on', auth_required: false });
    await compute.close();
  });
});

describe.each(backends())('the admin’s chores ($name)', (backend) => {
  const DAY = 86_400_000;
  let now = Date.now();
  let compute: TestService;
  beforeAll(async () => {
    compute = await startService(backend, { now: () => now });
  });
  afterAll(() => compute.close());

  async function finish(bytes: string): Promise<void> {
    const { repository, storage } = compute.service.jobs;
    const claim = (await repository.claim({ workerId: 'w', types: { count: 1 }, limit: 1 }))[0];
    if (!claim) throw new Error('no job waits');
    await storage.deliver(claim.job.job_id, claim.attempt, folderWith({ 'output/a': bytes }));
    await repository.complete([{ job_id: claim.job.job_id, token: claim.token, output: {} }]);
  }
  const create = async (): Promise<string> =>
    (await compute.request('POST', '/jobs/count', ANN, {})).json.job_id as string;

  it('cleanup takes ended jobs of that age, rows and files, and counts both', async () => {
    const old = await create();
    await finish('12345');
    now += 8 * DAY;
    const recent = await create();
    await finish('1234567');
    const waiting = await create();
    const size = (await compute.request('GET', '/admin/jobs/storage/size', ADMIN)).json;
    expect(size).toEqual({ total_size: 12, job_count: 2 });
    const clean = async (days: number) =>
      (await compute.request('DELETE', `/admin/jobs/cleanup?days=${days}`, ADMIN)).json;
    expect(await clean(7)).toEqual({ deleted_count: 1, freed_space: 5 });
    expect(await clean(7)).toEqual({ deleted_count: 0, freed_space: 0 });
    const status = async (id: string) => (await compute.request('GET', `/jobs/${id}`, ANN)).status;
    expect([await status(old), await status(recent), await status(waiting)]).toEqual([404, 200, 200]);
    now += 1;
    expect(await clean(0)).toEqual({ deleted_count: 1, freed_space: 7 });
    expect(await status(waiting)).toBe(200);
    expect((await compute.request('DELETE', '/admin/jobs/cleanup?days=-1', ADMIN)).status).toBe(422);
  });

  it('metrics describe the queue', async () => {
    const { text } = await compute.request('GET', '/metrics');
    expect(text).toMatch(/cls_jobs_queued\{task="count",service="compute"\} 1/);
    expect(text).toMatch(/cls_jobs_oldest_queued_seconds\{task="count",service="compute"\} [\d.e-]+/);
    expect(text).toContain('cls_job_lease_expiries_total');
    expect(text).toMatch(/cls_job_outbox\{service="compute"\} \d+/);
  });

  it('an unexpected fault is JSON without the inside of the server', async () => {
    const { repository } = compute.service.jobs;
    const { getJob } = repository;
    repository.getJob = async () => {
      throw new Error('secret /srv/path');
    };
    const answer = await compute.request('GET', '/jobs/x', ANN);
    repository.getJob = getJob;
    expect(answer.status).toBe(500);
    expect(answer.json).toEqual({
      detail: 'Internal Server Error',
      code: 'internal',
      request_id: answer.headers.get('x-request-id'),
    });
  });
});
