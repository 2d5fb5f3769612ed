/**
 * The compute service is killed at random points while clients send files and a worker runs their jobs. The short version
 * is part of every test run; `npm run test:faults` runs the long one: `CL_TEST_FAULTS=long`.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { type JobTables, jobMigrations, openJobs } from '@cl-server/jobs';
import { migrate, noBroadcaster, openDatabase, silentLogger } from '@cl-server/service-kit';
import { eventually, freePort, projectRoot, tempDir } from '@cl-server/testing';
import { expect, it } from 'vitest';

const KILLS = process.env['CL_TEST_FAULTS'] === 'long' ? 50 : 3;
const CLIENTS = 4;
const LARGEST = 100_000;

const WEIGH = `import fs from 'node:fs';
export default ({ defineTask, z }) => defineTask({
  type: 'weigh', version: '1', summary: 'Measures the size of a file', params: z.object({}), output: z.object({ size: z.int() }),
  load: async () => ({ run: async ({ files }) => ({ size: fs.statSync(files.input).size }) }),
});`;

it(
  'no accepted job is lost and no request makes two, however often the service is killed',
  async () => {
    using dir = tempDir('cl-compute-faults-');
    fs.mkdirSync(path.join(dir.path, 'plugins'));
    fs.writeFileSync(path.join(dir.path, 'plugins/weigh.mjs'), WEIGH);
    const url = `sqlite://${path.join(dir.path, 'store.db')}`;
    const database = openDatabase<JobTables>(url, { schema: 'jobs', synchronous: 'full' });
    await migrate(database, jobMigrations);
    if (database.dialect !== 'sqlite') throw new Error('counted on SQLite only');
    database.sqlite.exec(`create table commits (job_id text);
      create trigger count_commits after update of status on jobs when new.status = 'completed'
      begin insert into commits values (new.job_id); end`);
    const { repository, close } = openJobs({
      database,
      storageDir: path.join(dir.path, 'compute'),
      broadcaster: noBroadcaster,
      logger: silentLogger(),
    });
    const port = await freePort();
    const running = new Set<ChildProcess>();
    const start = async (program: string, args: readonly string[]): Promise<ChildProcess> => {
      const child = spawn(process.execPath, [path.join(projectRoot, program), ...args], {
        stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
        env: {
          PATH: process.env['PATH'],
          CL_SERVER_DIR: dir.path,
          BROADCAST_TYPE: 'none',
          AUTH_URL: 'http://127.0.0.1:9',
        },
      });
      running.add(child);
      await once(child, 'message'); // ready
      return child;
    };
    const end = async (child: ChildProcess): Promise<void> => {
      running.delete(child);
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
    };
    const serve = () => start('services/compute/bin/compute-server.js', ['--port', String(port), '--no-auth']);

    const accepted = new Map<string, number>();
    let stopped = false;
    /** Sends a file again and again until it is accepted, like a client that must not lose it. */
    const send = async (): Promise<void> => {
      const bytes = randomBytes(1 + Math.floor(Math.random() * LARGEST));
      const key = randomUUID();
      for (;;) {
        const form = new FormData();
        form.set('file', new Blob([bytes]), 'file.bin');
        const request = { method: 'POST', body: form, headers: { 'idempotency-key': key } };
        const answer = await fetch(`http://127.0.0.1:${port}/jobs/weigh`, request).catch(() => undefined);
        if (answer?.ok) {
          const { job_id } = (await answer.json().catch(() => ({}))) as { job_id?: string };
          if (job_id !== undefined) return void accepted.set(job_id, bytes.length);
        } else if (answer) throw new Error(`${answer.status}: ${await answer.text()}`);
        await pause(20);
      }
    };
    const client = async (): Promise<void> => {
      while (!stopped) {
        await send();
        await pause(10);
      }
    };

    try {
      await start('packages/worker/bin/compute-worker.js', ['--tasks', 'weigh', '--worker-poll-interval', '0.1']);
      let service = await serve();
      const clients = Array.from({ length: CLIENTS }, client);
      for (let kill = 0; kill < KILLS; kill++) {
        const before = accepted.size;
        await eventually(() => accepted.size > before, { within: 30_000, what: 'an accepted job' });
        await pause(Math.random() * 100);
        await end(service);
        service = await serve();
      }
      stopped = true;
      await Promise.all(clients);
      await eventually(async () => (await repository.counts()).completed === accepted.size, {
        within: 60_000,
        what: 'the end of every job',
      });
      const jobs = await repository.getJobs([...accepted.keys()]);
      for (const [id, size] of accepted)
        expect(jobs.get(id)).toMatchObject({ status: 'completed', task_output: { size } });
      expect(await repository.counts()).toEqual({ queued: 0, processing: 0, completed: accepted.size, failed: 0 });
      expect(database.sqlite.prepare('select count(*) n, count(distinct job_id) jobs from commits').get()).toEqual({
        n: accepted.size,
        jobs: accepted.size,
      });
      process.stderr.write(`${KILLS} kills of the service, ${accepted.size} jobs\n`);
    } finally {
      stopped = true;
      await Promise.all([...running].map(end));
      await close();
      await database.close();
    }
  },
  3 * 60_000,
);
