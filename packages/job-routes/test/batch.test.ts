import { backends } from '@cl-server/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { finishOne, startApi, type TestApi } from './support/api.js';

describe.each(backends())('a batch of jobs ($name)', (backend) => {
  let api: TestApi;
  beforeAll(async () => {
    api = await startApi(backend, { maxQueued: 50 });
  });
  afterAll(() => api.close());
  const batch = (json: unknown, user = 'ann') => api.request('POST', '/jobs/batch', { user, json });

  it('creates each that it can, in order, and says of each other why not', async () => {
    const source = await api.upload({ name: 'photo.txt', content: 'bytes of the photo' });
    await finishOne(api.jobs, { 'faces/face_0.png': 'a face' });
    const foreign = await api.upload({ user: 'bob' });
    const answer = await batch([
      { task_type: 'count', params: { to: 5 }, priority: 4 },
      { task_type: 'copy', params: { times: 2, loud: true }, input: { job_id: source, path: 'input/photo.txt' } },
      { task_type: 'copy', input: { job_id: source, path: 'faces/face_0.png' } },
      { task_type: 'paint' },
      { task_type: 'count', params: { to: -1 } },
      { task_type: 'copy' },
      { task_type: 'copy', input: { job_id: foreign, path: 'input/a.txt' } },
      { task_type: 'copy', input: { job_id: source, path: '../../x' } },
      { task_type: 'count', params: { to: 1 }, input: { job_id: source, path: 'input/photo.txt' } },
      { task_type: 'fetch_path' },
    ]);
    expect(answer.status).toBe(200);
    const { results } = answer.json;
    expect(results.map((result: { ok: boolean; status?: number }) => result.status ?? 200)).toEqual([
      200, 200, 200, 404, 422, 422, 404, 403, 422, 400,
    ]);
    const job = async (index: number) =>
      (await api.request('GET', `/jobs/${results[index].job.job_id}`, { user: 'ann' })).json;
    expect(await job(0)).toMatchObject({ task_type: 'count', priority: 4, params: { to: 5 } });
    expect(await job(1)).toMatchObject({
      priority: 5,
      params: { times: 2, loud: true, input_path: 'input/photo.txt', output_path: 'output/photo.txt' },
    });
    const bytes = await api.request('GET', `/jobs/${results[1].job.job_id}/files/input/photo.txt`, { user: 'ann' });
    expect(bytes.text).toBe('bytes of the photo');
    const face = await api.request('GET', `/jobs/${results[2].job.job_id}/files/input/face_0.png`, { user: 'ann' });
    expect(face.text).toBe('a face');
  });

  it('is refused whole where its shape is wrong', async () => {
    for (const json of [
      [],
      {},
      [{ params: {} }],
      [{ task_type: 'count', extra: 1 }],
      new Array(101).fill({ task_type: 'count' }),
    ]) {
      const answer = await batch(json);
      expect([answer.status, answer.json.code]).toEqual([422, 'validation']);
    }
  });

  it('keeps its keys and the limit', async () => {
    const item = { task_type: 'count', params: { to: 1 }, idempotency_key: 'k' };
    const first = (await batch([item], 'eve')).json.results[0].job.job_id;
    expect((await batch([item], 'eve')).json.results[0].job.job_id).toBe(first);
    const many = await batch(new Array(60).fill({ task_type: 'count', params: { to: 1 } }), 'eve');
    const statuses = many.json.results.map((result: { status?: number }) => result.status ?? 200);
    expect(statuses.filter((status: number) => status === 200)).toHaveLength(49);
    expect(statuses.at(-1)).toBe(429);
  });
});
