/** The worker's part in making streams, played by the test, which so controls the order of events. */
import fs from 'node:fs';
import path from 'node:path';
import { type JobTables, openJobs } from '@cl-server/jobs';
import { noBroadcaster, openDatabase, silentLogger } from '@cl-server/service-kit';
import { defineTask, TaskRegistry } from '@cl-server/task-kit';
import { tempDir } from '@cl-server/testing';
import { z } from 'zod';

const text = z.string();
/** Accepts the parameters of the real task. */
const hls = defineTask({
  type: 'hls_streaming',
  version: '1.0.0',
  summary: 'Makes streams',
  file: 'optional',
  params: z.object({ input_absolute_path: text, output_absolute_path: text, include_original: text }),
  output: z.object({}),
  load: async () => ({ run: async () => ({}) }),
});

export const streamTasks = new TaskRegistry([
  {
    task: hls.type,
    package: 'test',
    version: '1.0.0',
    source: 'builtin',
    file: '/nowhere.js',
    state: 'loaded',
    definition: hls,
  },
]);

export interface StreamJob {
  readonly priority: number;
  readonly input: string;
  readonly folder: string;
  /** Puts a file into the stream's folder. */
  put(name: string, text: string): void;
  complete(): Promise<boolean | undefined>;
  fail(message: string): Promise<unknown>;
}

export class StreamWorker {
  readonly #dir = tempDir('cl-stream-worker-');
  readonly #database;
  readonly #jobs;

  constructor(databaseUrl: string) {
    this.#database = openDatabase<JobTables>(databaseUrl, { schema: 'jobs' });
    const storageDir = path.join(this.#dir.path, 'jobs');
    this.#jobs = openJobs({ database: this.#database, storageDir, broadcaster: noBroadcaster, logger: silentLogger() });
  }

  /** Registers this worker. It stays registered when a test changes the clock. */
  async announce(): Promise<void> {
    await this.#database.kysely
      .insertInto('workers')
      .values({
        worker_id: 'stream-worker',
        capabilities: JSON.stringify([hls.type]),
        unavailable: '{}',
        idle_count: 1,
        seen_at: Number.MAX_SAFE_INTEGER,
      })
      .execute();
  }

  withdraw(): Promise<void> {
    return this.#jobs.workers.withdraw('stream-worker');
  }

  /** Jobs that wait for a worker. */
  async queued(): Promise<number> {
    return (await this.#jobs.repository.counts()).queued;
  }

  /** @throws Error if no job waits */
  async take(): Promise<StreamJob> {
    const claim = (await this.#jobs.repository.claim({ workerId: 'worker', types: { hls_streaming: 1 }, limit: 1 }))[0];
    if (!claim) throw new Error('no job waits');
    const params = claim.job.params as Record<string, string>;
    const folder = params.output_absolute_path ?? '';
    const fence = { job_id: claim.job.job_id, token: claim.token };
    const { repository } = this.#jobs;
    return {
      priority: claim.job.priority,
      input: params.input_absolute_path ?? '',
      folder,
      put: (name, content) => {
        fs.mkdirSync(folder, { recursive: true });
        fs.writeFileSync(path.join(folder, name), content);
      },
      complete: async () => (await repository.complete([{ ...fence, output: {} }]))[0],
      fail: (message) => repository.fail([{ ...fence, code: 'invalid_input', message }]),
    };
  }

  async close(): Promise<void> {
    await this.#jobs.close();
    await this.#database.close();
    this.#dir.remove();
  }
}
