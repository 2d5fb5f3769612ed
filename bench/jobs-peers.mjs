// Other queues for comparison, each used in its best way: jobs are inserted in large batches, and claimed and completed
// in batches of at most ten.
import BetterSqlite3 from 'better-sqlite3';
import { Logger, makeWorkerUtils, run as runGraphile } from 'graphile-worker';
import PgBoss from 'pg-boss';
import { better, defineQueue, JobStatus } from 'plainjob';

const quiet = { debug() {}, info() {}, warn() {}, error: console.error };
const chunks = (count, size) =>
  Array.from({ length: Math.ceil(count / size) }, (_, at) => Math.min(size, count - at * size));

/**
 * plainjob has no batches for claiming and completing; its worker handles one job after the other, and so does this
 * loop.
 */
export async function plainjob({ file, jobs, enqueue, synchronous }) {
  const db = new BetterSqlite3(file);
  const queue = defineQueue({ connection: better(db), logger: quiet });
  // Its default is NORMAL. The setting is changed afterwards, so that both sides wait for the disk in the same way.
  db.pragma(`synchronous = ${synchronous}`);
  const start = performance.now();
  for (const size of chunks(jobs, enqueue))
    queue.addMany(
      'noop',
      Array.from({ length: size }, () => ({})),
    );
  let done = 0;
  for (;;) {
    const job = queue.getAndMarkJobAsProcessing('noop');
    if (!job) break;
    queue.markJobAsDone(job.id);
    done += 1;
  }
  const seconds = (performance.now() - start) / 1000;
  if (done !== jobs || queue.countJobs({ status: JobStatus.Done }) !== jobs) throw new Error('plainjob lost jobs');
  queue.close();
  return jobs / seconds;
}

export async function graphileWorker({ url, jobs, enqueue, batch }) {
  const utils = await makeWorkerUtils({ connectionString: url });
  await utils.migrate();
  let done = 0;
  let finish;
  const finished = new Promise((resolve) => (finish = resolve));
  const start = performance.now();
  for (const size of chunks(jobs, enqueue))
    await utils.addJobs(Array.from({ length: size }, () => ({ identifier: 'noop', payload: {} })));
  const runner = await runGraphile({
    preset: {
      worker: {
        connectionString: url,
        concurrentJobs: batch,
        maxPoolSize: 10,
        localQueue: { size: batch },
        completeJobBatchDelay: 0,
        failJobBatchDelay: 0,
      },
    },
    taskList: {
      noop: () => {
        done += 1;
        if (done === jobs) finish();
      },
    },
    noHandleSignals: true,
    logger: silentGraphile(),
  });
  await finished;
  await runner.stop(); // writes the last completions
  const seconds = (performance.now() - start) / 1000;
  const left = await utils.withPgClient((client) =>
    client.query('select count(*)::int as n from graphile_worker._private_jobs'),
  );
  if (left.rows[0].n !== 0) throw new Error('graphile-worker lost jobs');
  await utils.release();
  return jobs / seconds;
}

const silentGraphile = () => new Logger(() => () => {});

export async function pgBoss({ url, jobs, enqueue, batch, lanes }) {
  const boss = new PgBoss({ connectionString: url, max: 10, supervise: false, schedule: false });
  boss.on('error', (error) => console.error(error));
  await boss.start();
  await boss.createQueue('noop');
  const start = performance.now();
  for (const size of chunks(jobs, enqueue))
    await boss.insert(Array.from({ length: size }, () => ({ name: 'noop', data: {} })));
  let done = 0;
  const lane = async () => {
    for (;;) {
      const taken = await boss.fetch('noop', { batchSize: batch });
      if (taken.length === 0) return;
      await boss.complete(
        'noop',
        taken.map((job) => job.id),
      );
      done += taken.length;
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  const seconds = (performance.now() - start) / 1000;
  if (done !== jobs) throw new Error('pg-boss lost jobs');
  await boss.stop({ graceful: false });
  return jobs / seconds;
}
