import { backends } from '@cl-server/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { finishOne, startApi, type TestApi } from './support/api.js';

interface Message {
  readonly id?: string;
  readonly event?: string;
  // biome-ignore lint/suspicious/noExplicitAny: a job as JSON
  readonly data?: any;
  readonly comment?: boolean;
}

/** Reads a stream message by message. */
async function* messages(answer: Response): AsyncGenerator<Message> {
  let text = '';
  for await (const chunk of answer.body ?? []) {
    text += Buffer.from(chunk).toString();
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const block = text.slice(0, end);
      text = text.slice(end + 2);
      if (block.startsWith(':')) yield { comment: true };
      const fields = Object.fromEntries(block.split('\n').map((line) => line.split(/: (.*)/s).slice(0, 2)));
      if (fields.data !== undefined) yield { ...fields, data: JSON.parse(fields.data) };
    }
  }
}

async function statuses(answer: Response): Promise<unknown[]> {
  const all: unknown[] = [];
  for await (const { data } of messages(answer)) if (data) all.push(data.status);
  return all;
}

describe.each(backends())('events of one job ($name)', (backend) => {
  let api: TestApi;
  beforeAll(async () => {
    api = await startApi(backend, { maxStreams: 2, keepAliveMs: 20 });
  });
  afterAll(() => api.close());
  const watch = (id: string, init: RequestInit & { user?: string } = {}) =>
    fetch(`${api.base}/jobs/${id}/events`, { ...init, headers: { 'x-user': init.user ?? 'ann', ...init.headers } });

  it('begin with what is, tell each change, end with the end', async () => {
    const id = await api.upload();
    const answer = await watch(id);
    expect(answer.headers.get('content-type')).toMatch(/^text\/event-stream/);
    const states: string[] = [];
    let kept = 0;
    let last: Message | undefined;
    for await (const message of messages(answer)) {
      if (message.comment) {
        kept += 1;
        // The stream is quiet by now: work begins.
        if (kept === 1) await finishOne(api.jobs);
        continue;
      }
      states.push(message.data.status);
      last = message;
    }
    expect(states[0]).toBe('queued');
    expect(states.at(-1)).toBe('completed');
    expect(kept).toBeGreaterThan(0);
    expect(last?.data).toMatchObject({ job_id: id, progress: 100, task_output: { size: 4 } });

    const again = await watch(id);
    expect(await statuses(again)).toEqual(['completed']);
    expect((await watch(id, { headers: { 'last-event-id': last?.id ?? '' } })).status).toBe(204);
  });

  it('say that a job was deleted', async () => {
    const id = await api.upload();
    const answer = await watch(id);
    const told: (string | undefined)[] = [];
    for await (const { comment, event, data } of messages(answer)) {
      if (comment) continue;
      told.push(event ?? data.status);
      if (told.length === 1) await api.request('DELETE', `/jobs/${id}`, { user: 'ann' });
    }
    expect(told).toEqual(['queued', 'deleted']);
  });

  it('are bounded for each user, and a closed stream makes room', async () => {
    const id = await api.upload();
    const stops = [new AbortController(), new AbortController()];
    for (const { signal } of stops) expect((await watch(id, { signal })).status).toBe(200);
    const third = await watch(id);
    expect([third.status, third.headers.get('retry-after')]).toEqual([429, '5']);
    expect((await watch(id, { user: 'root!', signal: AbortSignal.timeout(5_000) })).status).toBe(200);
    stops[0]?.abort();
    await expect
      .poll(async () => {
        const answer = await watch(id, { signal: AbortSignal.timeout(5_000) });
        await answer.body?.cancel();
        return answer.status;
      })
      .toBe(200);
    stops[1]?.abort();
  });
});

describe.each(backends())('a listener who loses the right ($name)', (backend) => {
  it('hears no more within seconds, while others go on', async () => {
    const revoked = new Set<string>();
    const api = await startApi(backend, { keepAliveMs: 50 }, revoked);
    const id = await api.upload();
    const listen = (user: string, signal?: AbortSignal) =>
      fetch(`${api.base}/jobs/${id}/events`, { headers: { 'x-user': user }, ...(signal && { signal }) });
    const stop = new AbortController();
    const [hers, admins] = [await listen('ann'), await listen('root!', stop.signal)];
    const told: unknown[] = [];
    const start = performance.now();
    for await (const { event, data } of messages(hers)) {
      if (data) told.push(event ?? data.status);
      revoked.add('ann');
    }
    expect(told).toEqual(['queued']);
    expect(performance.now() - start).toBeLessThan(4_000);
    const comments: boolean[] = [];
    for await (const { comment } of messages(admins)) {
      if (comment) comments.push(comment);
      if (comments.length === 3) break;
    }
    expect(comments).toHaveLength(3);
    stop.abort();
    await api.close();
  });
});

describe.each(backends())('a server that closes ($name)', (backend) => {
  it('ends its open streams, at once', async () => {
    const api = await startApi(backend);
    const id = await api.upload();
    const answer = await fetch(`${api.base}/jobs/${id}/events`, { headers: { 'x-user': 'ann' } });
    const told: string[] = [];
    let closed: Promise<void> | undefined;
    const start = performance.now();
    for await (const { event, data } of messages(answer)) {
      if (data) told.push(event ?? data.status);
      closed ??= api.close();
    }
    await closed;
    expect(told).toEqual(['queued']);
    expect(performance.now() - start).toBeLessThan(10_000);
  });
});
