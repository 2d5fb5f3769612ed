import fs from 'node:fs';
import path from 'node:path';
import { backends } from '@cl-server/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { JobCreation } from '../src/index.js';
import { fetch_path, fileForm, startApi, type TestApi } from './support/api.js';

describe.each(backends())('creating jobs ($name)', (backend) => {
  let api: TestApi;
  beforeAll(async () => {
    api = await startApi(backend);
  });
  afterAll(() => api.close());
  const folders = (): string[] => fs.readdirSync(api.folder).filter((name) => !name.startsWith('.'));
  const post = (task: string, body: FormData | URLSearchParams, headers: Record<string, string> = {}) =>
    api.request('POST', `/jobs/${task}`, { user: 'ann', body, headers });

  it('keeps the file and the row before it says yes, at both spellings', async () => {
    for (const where of ['/jobs/copy', '/compute/jobs/copy']) {
      const body = fileForm('photo.txt', 'hello', { label: 'x', times: '3', loud: 'YES', priority: '10', other: '1' });
      const answer = await api.request('POST', where, { user: 'ann', body });
      expect(answer.status).toBe(200);
      expect(answer.json).toEqual({ job_id: expect.any(String), status: 'queued', task_type: 'copy' });
      const file = path.join(api.folder, answer.json.job_id, 'input', 'photo.txt');
      expect(fs.readFileSync(file, 'utf8')).toBe('hello');
      expect((await api.request('GET', `/jobs/${answer.json.job_id}`, { user: 'ann' })).json).toMatchObject({
        status: 'queued',
        progress: 0,
        priority: 5,
        params: { input_path: 'input/photo.txt', output_path: 'output/photo.txt', label: 'x', times: 3, loud: true },
        task_output: null,
        error_message: null,
        started_at: null,
        completed_at: null,
        created_by: 'ann',
        retry_count: 0,
        max_retries: 3,
      });
    }
  });

  it.each([
    ['../../../../x.jpg', 'input/x.jpg'],
    ['..\\..\\x.jpg', 'input/x.jpg'],
    ['.hidden', 'input/hidden'],
    ['Ferien in Köln.jpg', 'input/Ferien in Köln.jpg'],
  ])('a file named %j becomes %j', async (name, kept) => {
    const id = await api.upload({ name });
    const job = (await api.request('GET', `/jobs/${id}`, { user: 'ann' })).json;
    expect(job.params.input_path).toBe(kept);
    expect(fs.existsSync(path.join(api.folder, id, kept))).toBe(true);
  });

  it('an empty field is an absent one', async () => {
    const id = await api.upload({ fields: { label: '', times: '', priority: '' } });
    const { params, priority } = (await api.request('GET', `/jobs/${id}`, { user: 'ann' })).json;
    expect([params.times, params.label, priority]).toEqual([1, undefined, 5]);
  });

  const nameless = (): FormData => fileForm('', 'x');
  const words = (): FormData => {
    const form = new FormData();
    form.append('file', 'words');
    return form;
  };
  it.each([
    ['without its file', () => new FormData(), [{ type: 'missing', loc: ['body', 'file'] }]],
    ['with a text for its file', words, [{ type: 'value_error', loc: ['body', 'file'] }]],
    ['with a priority too high', () => fileForm('a', 'x', { priority: '11' }), [{ type: 'less_than_equal' }]],
    ['with a priority no number', () => fileForm('a', 'x', { priority: 'x' }), [{ type: 'int_parsing' }]],
    [
      'with two wrong fields',
      () => fileForm('a', 'x', { times: '0', loud: 'maybe' }),
      [{ type: 'greater_than_equal' }, { type: 'bool_parsing' }],
    ],
  ] as const)('a request %s is refused, and leaves nothing', async (_what, form, detail) => {
    const before = folders();
    const answer = await post('copy', form());
    expect(answer.status).toBe(422);
    expect(answer.json).toMatchObject({ code: 'validation', detail });
    expect(folders()).toEqual(before);
    expect(fs.readdirSync(api.jobs.storage.uploads)).toEqual([]);
  });

  it.each([
    ['[]', 'too_small', ['body', 'variants'], '[]'],
    ['{}', 'invalid_type', ['body', 'variants'], '{}'],
    ['720p', 'json_invalid', ['body', 'variants'], '720p'],
    ['[{"resolution":true}]', 'invalid_type', ['body', 'variants', 0, 'resolution'], true],
    ['[{"resolution":"720p"}]', 'invalid_type', ['body', 'variants', 0, 'resolution'], '720p'],
    ['[{"resolution":720.5}]', 'invalid_type', ['body', 'variants', 0, 'resolution'], 720.5],
    ['[null]', 'invalid_type', ['body', 'variants', 0], null],
    ['[{}]', 'custom', ['body', 'variants', 0], {}],
    ['[{"resolution":720,"bitrate":1}]', 'too_small', ['body', 'variants', 0, 'bitrate'], 1],
  ])('H16: variants %s are refused as %s, with what was wrong in them', async (variants, type, loc, input) => {
    const answer = await post('fetch_path', fileForm('a', 'x', { variants }));
    expect(answer.status).toBe(422);
    expect(answer.json.detail).toMatchObject([{ type, loc, input }]);
  });

  it('a file without a name is a fault of its field', async () => {
    const answer = await post('copy', nameless());
    expect(answer.status).toBe(422);
    expect(answer.json.detail).toMatchObject([{ loc: ['body', 'file'] }]);
  });

  it('a task without a file takes a plain form, and makes no folder', async () => {
    const before = folders();
    const answer = await post('count', new URLSearchParams({ to: ' 05 ' }));
    expect(answer.status).toBe(200);
    const job = (await api.request('GET', `/jobs/${answer.json.job_id}`, { user: 'ann' })).json;
    expect(job.params).toEqual({ output_path: 'output/count.json', to: 5 });
    expect(folders()).toEqual(before);
  });

  it('a task’s own refusal reaches the client as it is meant', async () => {
    const before = folders();
    const nothing = await post('fetch_path', new URLSearchParams());
    expect([nothing.status, nothing.json.detail]).toEqual([400, 'Either file or input_absolute_path must be provided']);
    const odd = await post('fetch_path', fileForm('a', 'x', { input_absolute_path: 'odd' }));
    expect(odd.json.detail).toEqual([
      { type: 'value_error', loc: ['body', 'input_absolute_path'], msg: 'Too odd', input: null },
    ]);
    expect(folders()).toEqual(before);
    expect((await post('fetch_path', fileForm('a', 'x'))).status).toBe(200);
  });

  it.each(['ann', 'root!', undefined])('clients cannot name files of the server (%s)', async (user) => {
    const before = folders();
    const told: unknown[] = [];
    for (const input_absolute_path of ['/srv/media/a.mp4', '/etc/passwd', 'odd'])
      for (const body of [
        new URLSearchParams({ input_absolute_path }),
        ...(input_absolute_path === '/srv/media/a.mp4' ? [fileForm('a', 'x', { input_absolute_path })] : []),
      ]) {
        const { status, json } = await api.request('POST', '/jobs/fetch_path', { body, ...(user && { user }) });
        told.push([status, json.code]);
      }
    const batch = await api.request('POST', '/jobs/batch', {
      ...(user && { user }),
      json: [{ task_type: 'fetch_path', params: { input_absolute_path: '/srv/media/a.mp4' } }],
    });
    told.push([batch.json.results[0].status, batch.json.results[0].code]);
    // A file of the media folder and any other get the same answer, so it tells nothing of what is there.
    expect(told).toEqual(told.map(() => [403, 'server_path']));
    expect(folders()).toEqual(before);
  });

  it('the platform’s own jobs may name files; others can neither read nor repeat them', async () => {
    const { repository, storage } = api.jobs;
    const { identity } = api.jobs;
    const options = {
      repository,
      storage,
      identity,
      mediaDir: '/srv/media',
      streamsDir: '/srv/streams',
      maxQueued: 10,
    };
    const { job_id } = await new JobCreation(options).create({
      task: fetch_path,
      params: { input_absolute_path: '/srv/media/a.mp4' },
      priority: 8,
      input: undefined,
      owner: 'store',
      idempotencyKey: undefined,
      isPlatforms: true,
    });
    // The fields that `prepare` returns replace those of the request; the others stay.
    const { params, priority } = (await api.request('GET', `/jobs/${job_id}`, { user: 'root!' })).json;
    expect([params.input_absolute_path, params.input_path, priority]).toEqual(['/srv/media/a.mp4', '', 8]);
    expect((await api.request('POST', `/jobs/${job_id}/retry`, { user: 'ann' })).status).toBe(404);
  });

  it.each([
    ['ann', '10', 5],
    ['ann', '6', 5],
    ['ann', '5', 5],
    ['ann', '0', 0],
    [undefined, '10', 5],
    ['root!', '10', 10],
    ['ann+job_priority', '9', 9],
  ])('a priority of %s at %s counts as %d', async (user, asked, counts) => {
    const body = fileForm('a', 'x', { priority: asked });
    const { status, json } = await api.request('POST', '/jobs/copy', { body, ...(user && { user }) });
    const batch = await api.request('POST', '/jobs/batch', {
      ...(user && { user }),
      json: [{ task_type: 'count', params: { to: 1 }, priority: Number(asked) }],
    });
    expect([status, batch.json.results[0].ok]).toEqual([200, true]);
    for (const id of [json.job_id, batch.json.results[0].job.job_id])
      expect((await api.request('GET', `/jobs/${id}`, { user: 'root!' })).json.priority).toBe(counts);
  });

  it('an unknown task is named beside the known ones, with or without a file', async () => {
    for (const body of [fileForm('a', 'x'), new URLSearchParams({ a: '1' })]) {
      const answer = await post('paint', body);
      expect([answer.status, answer.json.code]).toEqual([404, 'unknown_task']);
      expect(answer.json.detail).toMatch(/"paint".*copy, count, fetch_path/);
    }
  });

  it('the same Idempotency-Key gives the same job, for the same request alone', async () => {
    const headers = { 'idempotency-key': 'once-1' };
    const first = await api.upload({ headers });
    const before = folders();
    expect(await api.upload({ headers })).toBe(first);
    expect(await api.upload({ headers, user: 'bob' })).not.toBe(first);
    const other = await post('copy', fileForm('a.txt', 'other bytes'), headers);
    expect([other.status, other.json.code]).toEqual([409, 'idempotency_key']);
    expect(folders()).toHaveLength(before.length + 1);
    const bad = await post('copy', fileForm('a.txt', 'x'), { 'idempotency-key': 'a b' });
    expect(bad.status).toBe(400);
  });

  it('a file larger than the limit is refused and not kept', async () => {
    const before = folders();
    const answer = await post('copy', fileForm('big.bin', 'x'.repeat(1_000_001)));
    expect([answer.status, answer.json.code]).toEqual([413, 'too_large']);
    expect(folders()).toEqual(before);
    expect(fs.readdirSync(api.jobs.storage.uploads)).toEqual([]);
  });

  it('each task has its own form in the API document', async () => {
    const { paths } = (await api.request('GET', '/openapi.json')).json;
    const form = paths['/jobs/copy'].post.requestBody.content['multipart/form-data'].schema;
    expect(form.properties).toMatchObject({
      file: { format: 'binary' },
      times: { type: 'integer', minimum: 1, maximum: 9 },
      priority: { type: 'integer', minimum: 0, maximum: 10 },
    });
    expect(form.required).toEqual(['file']);
    expect(paths['/jobs/count'].post.requestBody.content).toHaveProperty(['application/x-www-form-urlencoded']);
  });
});

describe.each(backends())('the limit on waiting jobs ($name)', (backend) => {
  it('is each user’s own, told with a time to come back', async () => {
    const api = await startApi(backend, { maxQueued: 2 });
    try {
      await api.upload();
      await api.upload();
      const answer = await api.request('POST', '/jobs/copy', { user: 'ann', body: fileForm('a', 'x') });
      expect([answer.status, answer.json.code]).toEqual([429, 'too_many_jobs']);
      expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
      expect(fs.readdirSync(api.folder).filter((name) => !name.startsWith('.'))).toHaveLength(2);
      await api.upload({ user: 'bob' });
      const ofGuests = () => api.request('POST', '/jobs/copy', { body: fileForm('a', 'x') });
      expect([await ofGuests(), await ofGuests(), await ofGuests()].map(({ status }) => status)).toEqual([
        200, 200, 429,
      ]);
      (await api.jobs.repository.claim({ workerId: 'w', types: { copy: 1 }, limit: 1 }))[0];
      await api.upload();
      expect((await ofGuests()).status).toBe(429);
    } finally {
      await api.close();
    }
  });
});
