import fs from 'node:fs';
import path from 'node:path';
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

  it('stores a file once for all of its jobs, and each job keeps it when the others are deleted', async () => {
    const content = 'bytes that several jobs read';
    const source = await api.upload({ name: 'shared.txt', content });
    while ((await api.jobs.repository.getJob(source))?.status !== 'completed')
      await finishOne(api.jobs, { 'output/result.txt': 'a result' });
    const of = (file: string) => ({ task_type: 'copy', input: { job_id: source, path: file } });
    const unwanted = { ...of('output/result.txt'), params: { times: -1 } };
    const answer = await batch([
      of('input/shared.txt'),
      unwanted,
      of('output/result.txt'),
      of('input/shared.txt'),
      of('output/result.txt'),
    ]);
    expect(answer.json.results.map(({ ok }: { ok: boolean }) => ok)).toEqual([true, false, true, true, true]);
    const [a, , b, c, d] = answer.json.results.map(({ job }: { job?: { job_id: string } }) => job?.job_id);
    const file = (id: string, name: string) => fs.statSync(path.join(api.folder, id, 'input', name));
    const inodes = [source, a, c].map((id) => file(id, 'shared.txt').ino);
    expect(new Set(inodes).size, 'an uploaded file').toBe(1);
    expect(file(b, 'result.txt').ino, 'a result').toBe(file(d, 'result.txt').ino);
    const result = path.join(api.folder, source, 'attempts', '1', 'output', 'result.txt');
    expect(fs.statSync(result).nlink, 'the result itself is not shared').toBe(1);
    const [first, second] = [await api.jobs.repository.getJob(source), await api.jobs.repository.getJob(c)];
    expect(second?.input_sha256).toBe(first?.input_sha256);

    for (const id of [source, a]) await api.request('DELETE', `/jobs/${id}`, { user: 'ann' });
    const left = await api.request('GET', `/jobs/${c}/files/input/shared.txt`, { user: 'ann' });
    expect(left.text).toBe(content);
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
