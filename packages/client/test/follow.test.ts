/** Following jobs to their end, whichever way the network fails. */
import type { Job, JobEvent } from '@cl-server/contract';
import { TOPICS } from '@cl-server/contract/constants';
import { eventually, hasMosquitto, startMosquitto, type TestBroker } from '@cl-server/testing';
import mqtt, { type MqttClient } from 'mqtt';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  ComputeClient,
  JobCancelledError,
  JobFailedError,
  type JobUpdate,
  MqttConnection,
  NotFoundError,
  TimeoutError,
  type Transport,
} from '../src/index.js';
import { json, startServer, type TestServer } from './support/server.js';

const POLL = { firstMs: 20, factor: 1.2, maxMs: 100 };

/** A compute service in memory, with real HTTP around it. */
class Jobs {
  readonly jobs = new Map<string, Job>();
  readonly streams = new Set<import('node:http').ServerResponse>();
  #publisher: MqttClient | undefined;
  #next = 1;
  sse = true;
  /** Called when a job was made, before the answer is sent. */
  onCreate: (job: Job) => void | Promise<void> = () => undefined;

  async connect(broker: TestBroker): Promise<void> {
    this.#publisher = await mqtt.connectAsync(broker.url, { protocolVersion: 4, reconnectPeriod: 50 });
  }

  async close(): Promise<void> {
    await this.#publisher?.endAsync(true);
  }

  async change(id: string, change: Partial<Job>): Promise<void> {
    const job = { ...(this.jobs.get(id) ?? expect.fail(`no job ${id}`)), ...change, updated_at: Date.now() } as Job;
    this.jobs.set(id, job);
    for (const stream of this.streams) stream.write(`data: ${JSON.stringify(job)}\n\n`);
    const event: JobEvent = { job_id: id, event_type: job.status, progress: job.progress, timestamp: Date.now() };
    await this.publish(JSON.stringify(event));
  }

  async publish(message: string): Promise<void> {
    if (this.#publisher?.connected) await this.#publisher.publishAsync(TOPICS.jobEvents, message, { qos: 1 });
  }

  finish(id: string, change: Partial<Job> = {}): Promise<void> {
    return this.change(id, { status: 'completed', progress: 100, task_output: { answer: 42 }, ...change });
  }

  serve(): Promise<TestServer> {
    return startServer(async (request, response, raw) => {
      const [, , id = '', rest] = request.path.split('/');
      if (request.method === 'POST' && rest === undefined) {
        const job = newJob(`job-${this.#next++}`, id);
        this.jobs.set(job.job_id, job);
        await this.onCreate(job);
        return json(response, 200, { job_id: job.job_id, status: 'queued', task_type: id });
      }
      const job = this.jobs.get(id);
      if (!job) return json(response, 404, { detail: 'No such job' });
      if (rest === 'cancel') {
        await this.change(id, { status: 'failed', error_code: 'cancelled', error_message: 'Cancelled' });
        return json(response, 200, this.jobs.get(id));
      }
      if (rest !== 'events') return json(response, 200, job);
      if (!this.sse) return json(response, 404, { detail: 'Not Found' });
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(`data: ${JSON.stringify(job)}\n\n`);
      this.streams.add(response);
      raw.on('close', () => this.streams.delete(response));
    });
  }
}

const newJob = (job_id: string, task_type: string): Job => ({
  job_id,
  task_type,
  status: 'queued',
  progress: 0,
  params: {},
  task_output: null,
  error_message: null,
  priority: 5,
  created_at: Date.now(),
  updated_at: null,
  started_at: null,
  completed_at: null,
  error_code: null,
  created_by: null,
  retry_count: 0,
  max_retries: 3,
});

let jobs: Jobs;
let server: TestServer;
const opened: { close(): unknown }[] = [];
beforeEach(async () => {
  jobs = new Jobs();
  server = await jobs.serve();
});
afterEach(async () => {
  for (const one of opened.splice(0)) await one.close();
  await jobs.close();
  await server.stop();
});

function clientWith(transports: readonly Transport[], broker?: TestBroker): ComputeClient {
  const connection = broker && new MqttConnection({ url: broker.url, coolDownMs: 200 });
  if (connection) opened.push(connection);
  return new ComputeClient({
    baseUrl: server.url,
    transports,
    mqtt: connection,
    poll: POLL,
    retry: { retries: 1, baseMs: 1, maxMs: 1 },
  });
}

const watched = async (id: string): Promise<void> => {
  await eventually(() => jobs.streams.size > 0 || server.received.some(({ path }) => path === `/jobs/${id}`));
};

describe.each<[string, readonly Transport[]]>([
  ['polling', []],
  ['server-sent events', ['sse']],
])('by %s', (_name, transports) => {
  it('a job is awaited, with its output', async () => {
    const job = clientWith(transports).run<{ answer: number }>('my_task');
    await watched((await job.created).job_id);
    await jobs.finish(job.id ?? '');
    const done = await job;
    expect(done.task_output.answer).toBe(42);
    expect(job.state).toBe('completed');
  });

  it('every reader receives every change from the beginning', async () => {
    const job = clientWith(transports).run('my_task');
    const { job_id } = await job.created;
    const seen: JobUpdate[] = [];
    for await (const update of job.events()) {
      seen.push(update);
      if (update.state === 'queued') await jobs.change(job_id, { status: 'processing', progress: 50 });
      if (update.progress === 50) await jobs.finish(job_id);
    }
    expect(seen.map(({ state, progress }) => `${state} ${progress}`)).toEqual([
      'queued 0',
      'processing 50',
      'completed 100',
    ]);
    const again: JobUpdate[] = [];
    for await (const update of job.events()) again.push(update);
    expect(again).toEqual(seen);
  });

  it('a server that restarts loses nothing', async () => {
    const job = clientWith(transports).run('my_task');
    const { job_id } = await job.created;
    await watched(job_id);
    await server.stop();
    await jobs.finish(job_id);
    await server.start();
    await expect(job.output).resolves.toEqual({ answer: 42 });
  });
});

it('a server without event streams is polled', async () => {
  jobs.sse = false;
  const job = clientWith(['sse']).run('my_task');
  const { job_id } = await job.created;
  await watched(job_id);
  await jobs.finish(job_id);
  await expect(job.output).resolves.toEqual({ answer: 42 });
});

describe('an end that is not success', () => {
  it('H12: throws with the job and its reason', async () => {
    const job = clientWith([]).run('my_task');
    const { job_id } = await job.created;
    const failed = expect(job).rejects.toMatchObject({ code: 'invalid_input', job: { job_id } });
    await jobs.change(job_id, { status: 'failed', error_code: 'invalid_input', error_message: 'No picture' });
    await failed;
    await expect(job).rejects.toBeInstanceOf(JobFailedError);
    expect(await job.settled()).toMatchObject({ status: 'failed' });
  });

  it('is a cancellation of its own kind', async () => {
    const job = clientWith([]).run('my_task');
    const cancelled = expect(job).rejects.toBeInstanceOf(JobCancelledError);
    await job.cancel();
    await cancelled;
    expect(job.state).toBe('cancelled');
  });

  it('may be that the waiting was over, and the job goes on', async () => {
    const job = clientWith([]).run('my_task', undefined, { timeoutMs: 60 });
    await expect(job).rejects.toBeInstanceOf(TimeoutError);
    expect(jobs.jobs.get(job.id ?? '')?.status).toBe('queued');
  });

  it('may be that the caller gave up', async () => {
    const stop = new AbortController();
    const job = clientWith(['sse']).run('my_task', undefined, { signal: stop.signal });
    const ended = expect(job).rejects.toThrow('enough');
    await job.created;
    stop.abort(new Error('enough'));
    await ended;
  });

  it('may be that somebody deleted the job', async () => {
    const job = clientWith([]).run('my_task');
    const ended = expect(job).rejects.toBeInstanceOf(NotFoundError);
    jobs.jobs.delete((await job.created).job_id);
    await ended;
  });
});

it('with wait: false awaiting ends with the submission', async () => {
  const created = await clientWith([]).run('my_task', undefined, { wait: false });
  expect(created).toMatchObject({ status: 'queued', task_type: 'my_task' });
});

it('the same submission sent twice carries the same key', async () => {
  const broken = await startServer((request, response) =>
    request.headers['idempotency-key'] && broken.received.length === 1
      ? void response.destroy()
      : json(response, 200, { job_id: 'a', status: 'queued', task_type: 't' }),
  );
  const client = new ComputeClient({ baseUrl: broken.url, retry: { baseMs: 0, maxMs: 0 } });
  await client.run('t', undefined, { wait: false });
  const keys = broken.received.map(({ headers }) => headers['idempotency-key']);
  expect(keys).toHaveLength(2);
  expect(keys[0]).toBe(keys[1]);
  await broken.stop();
});

describe('subscriptions', () => {
  it('have ids, and do not disturb each other', async () => {
    const { jobs: client } = clientWith([]);
    jobs.jobs.set('x', newJob('x', 't'));
    const progress: string[] = [];
    const first = client.subscribe('x', { onProgress: ({ state }) => progress.push(state) });
    const done = new Promise<Job>((resolve) => client.subscribe('x', { onComplete: resolve }));
    await eventually(() => progress.length > 0);
    expect(client.unsubscribe(first)).toBe(true);
    expect(client.unsubscribe(first)).toBe(false);
    await jobs.finish('x');
    expect(await done).toMatchObject({ task_output: { answer: 42 } });
    expect(progress).toEqual(['queued']);
  });

  it('tell when a job cannot be followed', async () => {
    const error = await new Promise((resolve) => clientWith([]).jobs.subscribe('none', { onError: resolve }));
    expect(error).toBeInstanceOf(NotFoundError);
  });
});

describe.runIf(hasMosquitto())('by MQTT', () => {
  let broker: TestBroker;
  beforeEach(async () => {
    broker = await startMosquitto();
    await jobs.connect(broker);
  });
  afterEach(() => broker.stop());

  it('the end is heard of without a single look before it', async () => {
    const job = clientWith(['mqtt'], broker).run('my_task');
    const { job_id } = await job.created;
    for (const message of ['null', '{', '7']) await jobs.publish(message);
    await jobs.change(job_id, { status: 'processing', progress: 50 });
    await jobs.finish(job_id);
    await expect(job.output).resolves.toEqual({ answer: 42 });
    expect(server.received.filter(({ method }) => method === 'GET')).toHaveLength(1);
  });

  it('a job that ends before its creation is answered is not missed', async () => {
    jobs.onCreate = (job) => jobs.finish(job.job_id);
    const client = clientWith(['mqtt'], broker);
    for (let i = 0; i < 20; i++) await expect(client.run('my_task').output).resolves.toEqual({ answer: 42 });
  });

  it('a broker that stops in the middle is replaced by event streams', async () => {
    const job = clientWith(['mqtt', 'sse'], broker).run('my_task');
    const { job_id } = await job.created;
    await jobs.change(job_id, { status: 'processing', progress: 10 });
    await eventually(() => job.state === 'processing');
    const restarting = broker.restart();
    await eventually(() => jobs.streams.size === 1);
    await jobs.finish(job_id);
    await expect(job.output).resolves.toEqual({ answer: 42 });
    await restarting;
  });

  it('a broker that stops in the middle is replaced by polling where there are no streams', async () => {
    jobs.sse = false;
    const job = clientWith(['mqtt', 'sse'], broker).run('my_task');
    const { job_id } = await job.created;
    await jobs.change(job_id, { status: 'processing', progress: 10 });
    await eventually(() => job.state === 'processing');
    const restarting = broker.restart();
    await jobs.finish(job_id);
    await expect(job.output).resolves.toEqual({ answer: 42 });
    await restarting;
  });

  it('a broker that is not there costs no job', async () => {
    await jobs.close();
    const gone = { ...broker, url: 'mqtt://127.0.0.1:9' };
    const client = clientWith(['mqtt'], gone);
    const job = client.run('my_task');
    const { job_id } = await job.created;
    await jobs.finish(job_id);
    await expect(job.output).resolves.toEqual({ answer: 42 });
  });

  it('workers are seen as they come and go', async () => {
    const client = clientWith(['mqtt'], broker);
    const seen: string[] = [];
    const stop = await client.workers.watch((id, worker) => seen.push(`${id} ${worker?.idle_count ?? 'gone'}`));
    const publisher = await mqtt.connectAsync(broker.url, { protocolVersion: 4 });
    const worker = { worker_id: 'w', id: 'w', capabilities: [], idle_count: 2, timestamp: 1 };
    await publisher.publishAsync('inference/workers/w', JSON.stringify(worker), { retain: true, qos: 1 });
    await publisher.publishAsync('inference/workers/w', '', { retain: true, qos: 1 });
    await eventually(() => seen.length === 2);
    expect(seen).toEqual(['w 2', 'w gone']);
    stop();
    await publisher.endAsync();
  });
});
