// Measures no-op jobs per second, inserted and completed with all guarantees, compared with other queues on the same
// databases.
//   node bench/jobs.mjs [--jobs 10000] [--rounds 3] [--check]
// Needs the build (npm run build), and PostgreSQL's programs for the PostgreSQL half.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { jobMigrations, newJobId, openJobs } from '@cl-server/jobs';
import { migrate, noBroadcaster, openDatabase, silentLogger } from '@cl-server/service-kit';
import pg from 'pg';
import { startPostgres } from '../testing/dist/index.js';
import { graphileWorker, pgBoss, plainjob } from './jobs-peers.mjs';

const { values } = parseArgs({
  options: {
    jobs: { type: 'string', default: '10000' },
    rounds: { type: 'string', default: '3' },
    check: { type: 'boolean', default: false },
  },
});
const JOBS = Number(values.jobs);
const ROUNDS = Number(values.rounds);
const INSERT_BATCH_SIZE = 100;
const LANES = 4;
/** Minimum ratios to the other queues. */
const TARGETS = { plainjob: 1.5, 'graphile-worker': 1.0, 'pg-boss': 1.5 };

const median = (numbers) => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)];
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'cl-bench-'));
let serial = 0;

/** A broker that accepts everything at once: it shows the cost of the outbox without a network. */
const instantBroker = {
  ...noBroadcaster,
  connected: true,
};

async function ours({ url, batch, lanes = LANES, synchronous = 'full', broadcaster = noBroadcaster }) {
  const database = openDatabase(url, { schema: 'jobs', synchronous });
  await migrate(database, jobMigrations);
  const { repository, close } = openJobs({
    database,
    storageDir: path.join(folder, `files${serial++}`),
    broadcaster,
    logger: silentLogger(),
  });
  const start = performance.now();
  for (let made = 0; made < JOBS; made += INSERT_BATCH_SIZE)
    await repository.addJobs(
      Array.from({ length: Math.min(INSERT_BATCH_SIZE, JOBS - made) }, () => ({
        job_id: newJobId(),
        task_type: 'noop',
        params: {},
      })),
    );
  let done = 0;
  const lane = async (at) => {
    for (;;) {
      const claims = await repository.claim({ workerId: `w${at}`, types: { noop: batch }, limit: batch });
      if (claims.length === 0) return;
      const answers = await repository.complete(
        claims.map(({ job, token }) => ({ job_id: job.job_id, token, output: null })),
      );
      done += answers.filter(Boolean).length;
    }
  };
  await Promise.all(Array.from({ length: lanes }, (_, at) => lane(at)));
  await close();
  const seconds = (performance.now() - start) / 1000;
  const { completed } = await repository.counts();
  if (done !== JOBS || completed !== JOBS) throw new Error(`lost jobs: ${done} done, ${completed} completed`);
  await database.close();
  return JOBS / seconds;
}

const sqliteUrl = () => `sqlite://${path.join(folder, `${serial++}.db`)}`;

async function freshDatabase(server) {
  const client = new pg.Client({ connectionString: server.url });
  await client.connect();
  const name = `bench${serial++}`;
  await client.query(`create database ${name}`);
  await client.query('checkpoint');
  await client.end();
  const url = new URL(server.url);
  url.pathname = `/${name}`;
  return url.href;
}

/** The rounds of the contestants alternate, so that other load on the machine affects all of them. */
async function compare(title, contestants) {
  const rates = Object.fromEntries(Object.keys(contestants).map((name) => [name, []]));
  for (let round = 0; round < ROUNDS; round++)
    for (const [name, run] of Object.entries(contestants)) rates[name].push(await run());
  const own = median(rates.ours);
  console.log(`\n${title}`);
  let ok = true;
  for (const [name, list] of Object.entries(rates)) {
    const rate = median(list);
    const target = TARGETS[name];
    const ratio = own / rate;
    const met = target === undefined || ratio >= target;
    ok &&= met;
    const verdict =
      target === undefined
        ? ''
        : `ours is ${ratio.toFixed(2)} x (at least ${target.toFixed(1)}: ${met ? 'yes' : 'NO'})`;
    console.log(`  ${name.padEnd(26)} ${Math.round(rate).toString().padStart(7)} jobs/s  ${verdict}`);
  }
  return ok;
}

const version = (name) =>
  JSON.parse(fs.readFileSync(new URL(`../node_modules/${name}/package.json`, import.meta.url), 'utf8')).version;
const peers = ['plainjob', 'graphile-worker', 'pg-boss', 'better-sqlite3', 'pg'].map((n) => `${n} ${version(n)}`);
console.log(
  `${os.cpus()[0]?.model}, ${os.cpus().length} cores, ${os.platform()} ${os.release()}, Node ${process.version}`,
);
console.log(`${peers.join(', ')}`);
console.log(
  `${JOBS} jobs, inserted in batches of ${INSERT_BATCH_SIZE}, claimed and completed in batches of 10 in ${LANES} lanes of one process; median of ${ROUNDS}; synchronous=FULL; fsync on`,
);

let ok = await compare('SQLite', {
  ours: () => ours({ url: sqliteUrl(), batch: 10 }),
  plainjob: () =>
    plainjob({
      file: path.join(folder, `${serial++}.db`),
      jobs: JOBS,
      enqueue: INSERT_BATCH_SIZE,
      synchronous: 'FULL',
    }),
  'ours, batch of 1': () => ours({ url: sqliteUrl(), batch: 1 }),
  'ours, with outbox': () => ours({ url: sqliteUrl(), batch: 10, broadcaster: instantBroker }),
});

const server = await startPostgres({ durable: true });
if (server) {
  const contest = (run) => async () => run(await freshDatabase(server));
  const common = { jobs: JOBS, enqueue: INSERT_BATCH_SIZE, batch: 10, lanes: LANES };
  try {
    ok =
      (await compare('PostgreSQL', {
        ours: contest((url) => ours({ url, batch: 10 })),
        'graphile-worker': contest((url) => graphileWorker({ url, ...common })),
        'pg-boss': contest((url) => pgBoss({ url, ...common })),
        'ours, batch of 1': contest((url) => ours({ url, batch: 1 })),
        'ours, with outbox': contest((url) => ours({ url, batch: 10, broadcaster: instantBroker })),
      })) && ok;
  } finally {
    await server.stop();
  }
} else console.log('\nPostgreSQL: not installed here, not measured');

fs.rmSync(folder, { recursive: true, force: true });
if (values.check && !ok) process.exitCode = 1;
