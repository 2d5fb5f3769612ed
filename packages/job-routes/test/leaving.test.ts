/** Clients that leave a job's event stream at any moment, and servers that close at any moment. */
import net from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import type { JobEvents, JobRecord, JobRepository } from '@cl-server/jobs';
import { createLogger, silentLogger } from '@cl-server/service-kit';
import { backends } from '@cl-server/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { JobStreams } from '../src/watch-route.js';
import { finishOne, startApi, type TestApi } from './support/api.js';

const lines: string[] = [];
const logger = createLogger({
  name: 'test',
  level: 'info',
  destination: { write: (line: string) => lines.push(line) },
});
const complaints = () => lines.filter((line) => !line.includes('"level":"info"') && !line.includes('"level":"debug"'));

describe.each(backends())('event streams whose clients leave ($name)', (backend) => {
  let api: TestApi;
  beforeAll(async () => {
    api = await startApi(backend, { maxStreams: 10_000, keepAliveMs: 1, logger });
  });
  afterAll(() => api.close());

  it('leave nothing in the log and nothing open, whenever that is', async () => {
    for (let round = 0; round < 30; round += 1) {
      const id = await api.upload();
      const clients = Array.from({ length: 40 }, (_, n) => leaveAfter(n));
      if (round % 3 === 0) await finishOne(api.jobs);
      if (round % 3 === 1) await api.request('DELETE', `/jobs/${id}`, { user: 'ann' });
      await Promise.all(clients);

      async function leaveAfter(turns: number): Promise<void> {
        const socket = net.connect(Number(new URL(api.base).port), '127.0.0.1');
        socket.on('error', () => undefined);
        socket.write(`GET /jobs/${id}/events HTTP/1.1\r\nhost: 127.0.0.1\r\nx-user: ann\r\n\r\n`);
        await new Promise((resolve) => socket.once('connect', resolve));
        for (let i = 0; i < turns; i += 1) await turn();
        if (turns % 2) socket.resetAndDestroy();
        else socket.destroy();
      }
    }
    expect(complaints()).toEqual([]);
  });
});

describe('an event stream that must end', () => {
  const job = { job_id: 'a', status: 'processing', progress: 1, params: {}, created_at: 1 } as unknown as JobRecord;
  const streamsOf = (watch: JobEvents['watch']): JobStreams =>
    new JobStreams({
      repository: {} as JobRepository,
      events: { watch } as JobEvents,
      logger: silentLogger(),
      maxStreams: 1,
      keepAliveMs: 60_000,
    });
  const allowed = async () => undefined;

  it('is cut off where its reader takes nothing', async () => {
    const streams = streamsOf(async function* (_id, { signal }) {
      for (let progress = 0; !signal.aborted; progress += 1) yield { ...job, progress };
    });
    const stream = streams.open(job, null, allowed);
    await expect.poll(() => stream.writableNeedDrain).toBe(true);
    streams.close();
    await expect.poll(() => stream.destroyed, { timeout: 5_000 }).toBe(true);
  });

  it('ends at once where the server is closing already', async () => {
    const streams = streamsOf(async function* (_id, { signal }) {
      if (!signal.aborted) yield job;
      if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve));
    });
    streams.close();
    const stream = streams.open(job, null, allowed);
    stream.resume();
    await expect.poll(() => stream.destroyed).toBe(true);
    // The place of the one stream that is allowed is free again.
    streams.open(job, null, allowed).resume();
  });
});
