/** The upgrade of a data folder with entities, jobs and an upload from a release that stored no sums. */
import { randomBytes } from 'node:crypto';
import path from 'node:path';
import type { StorageUse } from '@cl-server/contract';
import { type JobTables, openJobs } from '@cl-server/jobs';
import { noBroadcaster, openDatabase, silentLogger } from '@cl-server/service-kit';
import { discoverTasks } from '@cl-server/task-kit';
import { backends, folderWith, tempDir } from '@cl-server/testing';
import { sql } from 'kysely';
import { describe, expect, it } from 'vitest';
import { startStore } from './support/store.js';
import { ADMIN, tokenOf } from './support/tokens.js';

const ANN = tokenOf('7', { permissions: ['media_store_write', 'ai_inference_support'] });
const LIMIT = 20_000;

/** Takes a job database back to the schema before `0005_usage`. */
async function takeBack(url: string): Promise<void> {
  const database = openDatabase<JobTables>(url, { schema: 'jobs' });
  const run = (text: string) => sql.raw(text).execute(database.kysely);
  for (const part of ['insert', 'update', 'delete']) {
    await run(`drop trigger jobs_usage_${part}${database.dialect === 'postgres' ? ' on jobs' : ''}`);
    if (database.dialect === 'postgres') await run(`drop function jobs_usage_${part}`);
  }
  await run('drop index jobs_unmeasured');
  for (const column of ['input_bytes', 'result_bytes']) await run(`alter table jobs drop column ${column}`);
  for (const table of ['job_usage', 'usage_claims']) await run(`drop table ${table}`);
  await run(`delete from migrations_jobs where name = '0005_usage'`);
  await database.close();
}

const places = backends().flatMap((backend) => [
  { name: `one ${backend.name} database`, backend, apart: false },
  { name: `two ${backend.name} databases`, backend, apart: true },
]);

describe.each(places)('data of a release before sums were kept in $name', ({ backend, apart }) => {
  it('count in full once they are migrated, and no more than once', async () => {
    const dir = tempDir('cl-budget-migration-');
    const storageDir = path.join(dir.path, 'compute');
    const jobs = apart ? await backend.create() : undefined;
    const limits = { userBytes: 0, totalBytes: 0 };
    const store = await startStore(backend, {
      limits,
      tasks: await discoverTasks({}),
      jobStorageDir: storageDir,
      ...(jobs && { jobDatabaseUrl: jobs.url }),
    });
    const jobUrl = jobs?.url ?? store.databaseUrl;
    /** Does what compute does, which shares the job database. */
    const withJobs = async <T>(work: (engine: ReturnType<typeof openJobs>) => Promise<T>): Promise<T> => {
      const database = openDatabase<JobTables>(jobUrl, { schema: 'jobs' });
      const engine = openJobs({ database, storageDir, broadcaster: noBroadcaster, logger: silentLogger() });
      try {
        return await work(engine);
      } finally {
        await engine.close();
        await database.close();
      }
    };
    const entity = (size: number) => {
      const media_file = { name: 'a.bin', bytes: randomBytes(size) };
      return store.call('POST', '/entities', { token: ANN, form: { is_collection: 'false', media_file } });
    };
    const job = async (size: number) => {
      const form = { file: { name: 'a.bin', bytes: randomBytes(size) } };
      const { json, status } = await store.call<{ job_id: string }>('POST', '/jobs/exif', { token: ANN, form });
      return { id: json.job_id, status };
    };
    const complete = async (size: number) =>
      withJobs(async ({ repository, storage }) => {
        const claim = (await repository.claim({ workerId: 'worker', types: { exif: 1 }, limit: 1 }))[0];
        if (!claim) throw new Error('nothing to claim');
        const { job_id } = claim.job;
        await storage.deliver(job_id, claim.attempt, folderWith({ 'output/a': randomBytes(size) }));
        await repository.complete([{ job_id, token: claim.token, output: null }]);
        return job_id;
      });
    const kept = async () => {
      const { json } = await store.get<StorageUse>('/system/storage', { token: ADMIN });
      return json.users.find(({ user_id }) => user_id === '7');
    };
    try {
      expect((await entity(1_000)).status).toBe(201);
      expect((await job(200)).status).toBe(200);
      const ended = await complete(30);
      const waiting = await job(400);
      const upload = await fetch(`${store.url}/uploads`, {
        method: 'POST',
        headers: { authorization: `Bearer ${ANN}`, 'tus-resumable': '1.0.0', 'upload-length': '5000' },
      });
      expect(upload.status).toBe(201);

      await store.restart(async () => {
        await takeBack(jobUrl);
        limits.userBytes = LIMIT;
      });
      // Entities and uploads count at once; jobs before compute has measured them do not.
      expect(await kept()).toMatchObject({ bytes: 1_000, upload_bytes: 5_000, total_bytes: 6_000 });
      // A job that is created, ended and removed before the others are measured counts correctly.
      const between = await job(7);
      expect(await kept()).toMatchObject({ job_input_bytes: 7 });
      await withJobs(({ repository }) => repository.deleteJob(between.id));
      const measured = await withJobs(({ reconciler }) => reconciler.full());
      expect(measured).toMatchObject({ jobs_measured: 2 });
      const whole = { job_input_bytes: 600, job_result_bytes: 30, total_bytes: 6_630, quota: LIMIT };
      expect(await kept()).toMatchObject({ entities: 1, bytes: 1_000, upload_bytes: 5_000, ...whole });
      expect(await withJobs(({ reconciler }) => reconciler.full())).toMatchObject({ jobs_measured: 0 });
      await store.restart();
      expect(await kept()).toMatchObject(whole);

      expect((await entity(LIMIT - 6_630 + 1)).status).toBe(413);
      expect((await job(LIMIT - 6_630 + 1)).status).toBe(413);
      expect((await job(LIMIT - 6_630)).status).toBe(200);
      await withJobs(({ repository }) => Promise.all([repository.deleteJob(ended), repository.deleteJob(waiting.id)]));
      expect(await kept()).toMatchObject({ total_bytes: LIMIT - 630, job_result_bytes: 0 });
    } finally {
      await store.stop();
      await jobs?.drop();
      dir.remove();
    }
  });
});
