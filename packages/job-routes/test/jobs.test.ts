import fs from 'node:fs';
import { backends } from '@cl-server/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { finishOne, startApi, type TestApi } from './support/api.js';

describe.each(backends())('whose jobs one sees ($name)', (backend) => {
  let api: TestApi;
  let ann: string;
  let bob: string;
  let guest: string;
  beforeAll(async () => {
    api = await startApi(backend);
    ann = await api.upload({ user: 'ann' });
    bob = await api.upload({ user: 'bob' });
    const form = new FormData();
    form.append('file', new Blob(['x']), 'g.txt');
    guest = (await api.request('POST', '/jobs/copy', { body: form })).json.job_id;
  });
  afterAll(() => api.close());

  it.each([
    ['ann', [200, 404, 404]],
    ['bob', [404, 200, 404]],
    [undefined, [404, 404, 200]],
    ['root!', [200, 200, 200]],
    ['nobody', [401, 401, 401]],
  ] as const)('%s', async (user, statuses) => {
    const who = user === undefined ? {} : { user };
    const seen = await Promise.all([ann, bob, guest].map((id) => api.request('GET', `/jobs/${id}`, who)));
    expect(seen.map(({ status }) => status)).toEqual(statuses);
    if (user === 'nobody') return;
    const { items, total } = (await api.request('GET', '/jobs', who)).json;
    const mine = [guest, bob, ann].filter((id) => statuses[[ann, bob, guest].indexOf(id)] === 200);
    expect(items.map((job: { job_id: string }) => job.job_id)).toEqual(mine);
    expect(total).toBe(mine.length);
  });

  it('a foreign job and a missing one get the same answers', async () => {
    for (const [method, rest] of [
      ['GET', ''],
      ['DELETE', ''],
      ['POST', '/cancel'],
      ['POST', '/retry'],
      ['GET', '/events'],
      ['GET', '/files/input/a.txt'],
    ] as const) {
      const foreign = await api.request(method, `/jobs/${bob}${rest}`, { user: 'ann' });
      const missing = await api.request(method, `/jobs/none${rest}`, { user: 'ann' });
      expect([foreign.status, foreign.json.detail.replace(bob, 'none')]).toEqual([404, missing.json.detail]);
    }
    const others = await api.request('GET', '/jobs?created_by=bob', { user: 'ann' });
    expect(others.json).toEqual({ items: [], next_cursor: null, total: 0, total_is_estimate: false });
    expect((await api.request('GET', '/jobs?created_by=bob', { user: 'root!' })).json.total).toBe(1);
  });
});

describe.each(backends())('a job’s life over HTTP ($name)', (backend) => {
  let api: TestApi;
  beforeAll(async () => {
    api = await startApi(backend);
  });
  afterAll(() => api.close());
  const as = { user: 'ann' };

  it('a waiting one is cancelled at once, and twice without harm', async () => {
    const id = await api.upload();
    for (let time = 0; time < 2; time += 1) {
      const { status, json } = await api.request('POST', `/jobs/${id}/cancel`, as);
      expect([status, json.status, json.error_code]).toEqual([200, 'failed', 'cancelled']);
    }
    expect((await api.request('GET', '/jobs?status=cancelled', as)).json.items).toHaveLength(1);
    const again = await api.request('POST', `/jobs/${id}/retry`, as);
    expect([again.status, again.json.status, again.json.error_code]).toEqual([200, 'queued', null]);
    expect(await finishOne(api.jobs)).toBe(id);
  });

  it('an ended one is neither cancelled nor tried again', async () => {
    const id = await api.upload();
    expect((await api.request('POST', `/jobs/${id}/retry`, as)).json).toMatchObject({ code: 'job_not_failed' });
    await finishOne(api.jobs);
    const job = (await api.request('GET', `/jobs/${id}`, as)).json;
    expect(job).toMatchObject({ status: 'completed', progress: 100, task_output: { size: 4 } });
    const cancel = await api.request('POST', `/jobs/${id}/cancel`, as);
    expect([cancel.status, cancel.json.code]).toEqual([409, 'job_ended']);
    expect((await api.request('POST', `/jobs/${id}/retry`, as)).status).toBe(409);
  });

  it('a running one is asked to stop', async () => {
    const id = await api.upload();
    const claim = (await api.jobs.repository.claim({ workerId: 'w', types: { copy: 1 }, limit: 1 }))[0];
    const { status, json } = await api.request('POST', `/jobs/${id}/cancel`, as);
    expect([status, json.status]).toEqual([200, 'processing']);
    const [answer] = await api.jobs.repository.renew(claim ? [{ job_id: id, token: claim.token }] : []);
    expect(answer?.state).toBe('cancel');
    await api.request('DELETE', `/jobs/${id}`, as);
  });

  it('deleting takes row and files', async () => {
    const id = await api.upload();
    expect(fs.existsSync(`${api.folder}/${id}`)).toBe(true);
    const gone = await api.request('DELETE', `/jobs/${id}`, as);
    expect([gone.status, gone.text]).toEqual([204, '']);
    expect(fs.existsSync(`${api.folder}/${id}`)).toBe(false);
    expect((await api.request('DELETE', `/jobs/${id}`, as)).json.detail).toBe(`Job ${id} not found`);
  });

  it('lists are filtered and paged', async () => {
    const ids: string[] = [];
    for (let n = 0; n < 5; n += 1) ids.push(await api.upload({ user: 'lou', name: `needle${n}.txt` }));
    const list = (query: string) => api.request('GET', `/jobs?${query}`, { user: 'lou' });
    const first = (await list('limit=2')).json;
    const second = (await list(`limit=2&cursor=${first.next_cursor}`)).json;
    const third = (await list(`limit=2&cursor=${second.next_cursor}`)).json;
    const all = [...first.items, ...second.items, ...third.items].map((job: { job_id: string }) => job.job_id);
    expect(all).toEqual([...ids].reverse());
    expect([first.total, third.next_cursor]).toEqual([5, null]);
    expect((await list('q=NEEDLE3')).json.items).toMatchObject([{ job_id: ids[3] }]);
    expect((await list('status=completed')).json.total).toBe(0);
    expect((await list('task_type=copy&status=queued')).json.total).toBe(5);
    expect((await list(`created_after=${Date.now() + 60_000}`)).json.total).toBe(0);
    expect((await list(`created_before=${Date.now() + 60_000}`)).json.total).toBe(5);
    expect((await list('status=done')).status).toBe(422);
    expect((await list('limit=501')).status).toBe(422);
    expect((await list('cursor=%21')).status).toBe(400);
  });

  it('tasks say what they take, give and need', async () => {
    const { items } = (await api.request('GET', '/tasks')).json;
    expect(items.map((task: { task_type: string }) => task.task_type)).toEqual(['copy', 'count', 'fetch_path']);
    expect(items[0]).toMatchObject({
      version: '1.2.3',
      file: 'required',
      source: 'builtin',
      params: { properties: { times: { type: 'integer' } } },
      output: { properties: { size: { type: 'integer' } } },
      timeout_seconds: 30,
      available: false,
      reason: 'no worker is running',
    });
    expect(items[1].source).toBe('cl-plugin-more');
    expect(JSON.stringify(items)).not.toContain('/nowhere');
  });
});
