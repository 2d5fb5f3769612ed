/** Real processes, stopped and killed by real signals, on one database and one folder. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface, type Interface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { migrate, noBroadcaster, openDatabase, silentLogger } from '@cl-server/service-kit';
import { backends, eventually, folderWith, type TempDir, type TestDatabase, tempDir } from '@cl-server/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type JobEngine, type JobTables, jobMigrations, newJobId, openJobs } from '../src/index.js';

const PROGRAM = fileURLToPath(new URL('support/fault-worker.mjs', import.meta.url));
const LEASE_MS = 400;
const STOPS = 3;
const KILLS = 5;
const JOBS = 200;

describe.each(backends())('with processes that fail, on $name', (backend) => {
  let place: TestDatabase;
  let dir: TempDir;
  let engine: JobEngine;
  let closeDatabase: () => Promise<void>;
  const children: ChildProcess[] = [];

  beforeEach(async () => {
    place = await backend.create();
    dir = tempDir('cl-faults-');
    const database = openDatabase<JobTables>(place.url, { schema: 'jobs', synchronous: 'normal' });
    await migrate(database, jobMigrations);
    engine = openJobs({
      database,
      storageDir: dir.path,
      broadcaster: noBroadcaster,
      logger: silentLogger(),
      leaseMs: LEASE_MS,
      upkeepMs: 0,
    });
    closeDatabase = database.close;
  });
  afterEach(async () => {
    for (const child of children.splice(0)) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    await engine.close();
    await closeDatabase();
    await place.drop();
    dir.remove();
  });

  const start = (mode: 'hold' | 'drain'): { child: ChildProcess; lines: AsyncIterator<string> } => {
    const child = spawn(process.execPath, [PROGRAM, place.url, dir.path, String(LEASE_MS), mode], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    children.push(child);
    const reader: Interface = createInterface({ input: child.stdout as NonNullable<typeof child.stdout> });
    return { child, lines: reader[Symbol.asyncIterator]() };
  };
  const add = async (): Promise<string> => {
    const job_id = newJobId();
    await engine.repository.addJob({ job_id, task_type: 'noop', params: {}, max_retries: 1_000 });
    return job_id;
  };
  const result = async (job_id: string): Promise<string> => {
    const job = await engine.repository.getJob(job_id);
    return (await engine.storage.read(job ?? { job_id, committed_attempt: null }, 'output/who.txt', 1_000)).toString();
  };

  it('a worker that slept over its lease commits nothing and changes no file', async () => {
    for (let round = 0; round < STOPS; round++) {
      const id = await add();
      const { child, lines } = start('hold');
      const said = await lines.next();
      expect(said.value).toMatch(/^claimed /);
      child.kill('SIGSTOP');
      const [claim] = await eventually(async () => {
        const claims = await engine.repository.claim({
          workerId: 'second',
          types: { noop: 1 },
          limit: 1,
          leaseMs: 60_000,
        });
        return claims.length > 0 && claims;
      });
      if (!claim) throw new Error('not claimed again');
      await engine.storage.deliver(id, claim.attempt, folderWith({ 'output/who.txt': claim.token }));
      // Half of the late writers wake before the second worker commits, half after.
      const commit = () =>
        engine.repository.complete([{ job_id: id, token: claim.token, output: { token: claim.token } }]);
      if (round % 2 === 0) expect(await commit()).toEqual([true]);
      child.kill('SIGCONT');
      child.stdin?.write('go\n');
      expect((await lines.next()).value).toBe('refused');
      if (round % 2 === 1) expect(await commit()).toEqual([true]);
      expect(await result(id)).toBe(claim.token);
      expect((await engine.repository.getJob(id))?.task_output).toEqual({ token: claim.token });
    }
  });

  it('no job is lost or committed twice when workers are killed at any moment', async () => {
    const ids = await Promise.all(Array.from({ length: JOBS }, add));
    const workers = [start('drain'), start('drain')];
    for (let kill = 0; kill < KILLS; kill++) {
      const victim = workers[kill % workers.length];
      await victim?.lines.next();
      // At the next moment at which one more job is done: in the middle of the work.
      const { completed } = await engine.repository.counts();
      await eventually(async () => (await engine.repository.counts()).completed > completed || completed === JOBS, {
        every: 5,
      });
      victim?.child.kill('SIGKILL');
      workers[kill % workers.length] = start('drain');
    }
    await eventually(async () => (await engine.repository.counts()).completed === JOBS);
    const jobs = await engine.repository.getJobs(ids);
    for (const id of ids) {
      const job = jobs.get(id);
      // The file, the output and the attempt that was committed are of one and the same run.
      expect(await result(id)).toBe(job?.task_output?.token);
      expect(String(job?.task_output?.token).split('.')[0]).toBe(String(job?.committed_attempt));
    }
  });
});
