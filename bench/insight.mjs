// Measures search among vectors, and the reconciler of insight: npm run bench -- insight [--check]. Needs the build.
// The vectors are a seeded mixture of clusters, and uniform random ones as the worst case. The recall is that of the
// ten nearest vectors compared with an exact search. Bare sqlite-vec (float and bit) and bare usearch run on the same
// vectors.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { builtInInsights, InsightRegistry } from '@cl-server/insight';
import { dot, ModelStore, normalized } from '@cl-server/models';
import { migrate, openDatabase, sqliteUrl } from '@cl-server/service-kit';
import { entityFeed, storeMigrations, writeTransactions } from '@cl-server/store';
import { PGlite } from '@electric-sql/pglite';
import { vector as vectorExtension } from '@electric-sql/pglite/vector';
import BetterSqlite3 from 'better-sqlite3';
import * as sqliteVec from 'sqlite-vec';
import usearch from 'usearch';
import { bitsToBuffer, signBits } from '../packages/insight/dist/vectors/codes.js';
import { VectorIndex } from '../packages/insight/dist/vectors/vector-index.js';
import { VectorStore } from '../packages/insight/dist/vectors/vector-store.js';
import { planPage } from '../packages/insight/dist/worker/plan.js';
import { readWantedModels } from '../packages/insight/dist/worker/wanted-models.js';
import { gaussian } from './lib/random.mjs';

const { values: options } = parseArgs({
  options: {
    check: { type: 'boolean', default: false },
    vectors: { type: 'string', default: '100000' },
    entities: { type: 'string', default: '50000' },
    queries: { type: 'string', default: '100' },
  },
});
const COUNT = Number(options.vectors);
const QUERIES = Number(options.queries);
const DIMENSION = 512;
const CLUSTERS = 2_000;
/** Length of the noise around a centre of length 1. */
const SPREAD = 0.7;
const K = 10;
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'cl-bench-'));
const promises = [];

function mixture(count, seed) {
  const random = gaussian(seed);
  const unit = () => normalized(Float32Array.from({ length: DIMENSION }, random));
  const centres = Array.from({ length: CLUSTERS }, unit);
  const near = (n) => normalized(centres[n % CLUSTERS].map((x) => x + (SPREAD * random()) / Math.sqrt(DIMENSION)));
  return {
    vectors: Array.from({ length: count }, (_, n) => near(n)),
    queries: Array.from({ length: QUERIES }, (_, n) => near(n * 17)),
  };
}

function uniform(count, seed) {
  const random = gaussian(seed);
  const unit = () => normalized(Float32Array.from({ length: DIMENSION }, random));
  return { vectors: Array.from({ length: count }, unit), queries: Array.from({ length: QUERIES }, unit) };
}

const exact = ({ vectors, queries }) =>
  queries.map((query) => {
    const scores = vectors.map((vector, id) => [dot(query, vector), id]);
    return new Set(
      scores
        .sort((a, b) => b[0] - a[0])
        .slice(0, K)
        .map(([, id]) => id),
    );
  });

/** Asks every query once, after a few that do not count. */
async function measure(name, queries, truth, ask) {
  for (const query of queries.slice(0, 5)) await ask(query);
  const times = [];
  let hits = 0;
  for (const [at, query] of queries.entries()) {
    const start = performance.now();
    const ids = await ask(query);
    times.push(performance.now() - start);
    hits += ids.filter((id) => truth[at].has(id)).length;
  }
  times.sort((a, b) => a - b);
  const at = (part) => Number(times[Math.min(times.length - 1, Math.floor(times.length * part))].toFixed(1));
  return { way: name, recall: hits / (queries.length * K), 'p50 ms': at(0.5), 'p99 ms': at(0.99) };
}

async function ours(name, { vectors, queries }, truth) {
  const file = path.join(folder, `${name}.db`);
  const database = openDatabase(sqliteUrl(file), { schema: 'store', synchronous: 'normal' });
  await migrate(database, storeMigrations);
  const { sqlite } = database;
  sqlite.transaction(() => {
    const entity = sqlite.prepare(
      `insert into entities (id, is_collection, added_date, updated_date, version) values (?, 0, 1, 1, 1)`,
    );
    const vector = sqlite.prepare(
      `insert into vectors (id, kind, model, entity_id, subject, data) values (?, 'clip', 'm@1+1', ?, 0, ?)`,
    );
    const code = sqlite.prepare(
      `insert into vector_codes (vector_id, kind, model, entity_id, subject, bits) values (?, 'clip', 'm@1+1', ?, 0, ?)`,
    );
    for (const [at, data] of vectors.entries()) {
      entity.run(at + 1);
      vector.run(at + 1, at + 1, Buffer.from(data.buffer));
      code.run(at + 1, at + 1, bitsToBuffer(signBits(data)));
    }
    sqlite.prepare(`insert into vector_models values ('clip', 'm@1+1', ${DIMENSION}, 1)`).run();
  })();
  const index = new VectorIndex(new VectorStore(database));
  const start = performance.now();
  await index.search({ kind: 'clip', vectors: [queries[0]], count: K });
  console.log(`${name}: codes of ${vectors.length} vectors read in ${Math.round(performance.now() - start)} ms`);
  const row = await measure('ours (SQLite)', queries, truth, async (query) => {
    const found = await index.search({ kind: 'clip', vectors: [query], count: K });
    return found.neighbours.map(({ entityId }) => entityId - 1);
  });
  await database.close();
  return row;
}

async function bareSqliteVec({ vectors, queries }, truth) {
  const db = new BetterSqlite3(path.join(folder, 'vec.db'));
  sqliteVec.load(db);
  db.exec(`create virtual table floats using vec0(id integer primary key, v float[${DIMENSION}] distance_metric=cosine);
    create virtual table bits using vec0(id integer primary key, v bit[${DIMENSION}])`);
  const float = db.prepare('insert into floats (id, v) values (?, ?)');
  const bit = db.prepare('insert into bits (id, v) values (?, vec_quantize_binary(?))');
  db.transaction(() => {
    for (const [at, data] of vectors.entries()) {
      const bytes = Buffer.from(data.buffer);
      float.run(BigInt(at), bytes);
      bit.run(BigInt(at), bytes);
    }
  })();
  const floats = db.prepare(`select id from floats where v match ? and k = ${K}`).pluck();
  const bits = db.prepare(`select id from bits where v match vec_quantize_binary(?) and k = ${K}`).pluck();
  const rows = [
    await measure('sqlite-vec float', queries, truth, (query) => floats.all(Buffer.from(query.buffer))),
    await measure('sqlite-vec bit', queries, truth, (query) => bits.all(Buffer.from(query.buffer))),
  ];
  db.close();
  return rows;
}

async function bareUsearch({ vectors, queries }, truth) {
  const index = new usearch.Index({ metric: 'cos', dimensions: DIMENSION, connectivity: 16 });
  const batch = 2_000;
  for (let at = 0; at < vectors.length; at += batch) {
    const slice = vectors.slice(at, at + batch);
    const flat = new Float32Array(slice.length * DIMENSION);
    for (const [n, vector] of slice.entries()) flat.set(vector, n * DIMENSION);
    index.add(
      BigUint64Array.from(slice, (_, n) => BigInt(at + n)),
      flat,
      os.availableParallelism(),
    );
  }
  return measure('usearch HNSW', queries, truth, (query) => [...index.search(query, K).keys].map(Number));
}

async function pgvector(count) {
  const data = mixture(count, 3);
  const truth = exact(data);
  const lite = await PGlite.create({ extensions: { vector: vectorExtension } });
  await lite.exec(`create extension vector; create table v (id int primary key, e vector(${DIMENSION}));`);
  const text = (vector) => `[${vector.join(',')}]`;
  for (let at = 0; at < count; at += 500) {
    const slice = data.vectors.slice(at, at + 500);
    await lite.query('insert into v select id, e::vector from unnest($1::int[], $2::text[]) as new (id, e)', [
      slice.map((_, n) => at + n),
      slice.map(text),
    ]);
  }
  await lite.exec('create index on v using hnsw (e vector_cosine_ops); set hnsw.ef_search = 200');
  const row = await measure(`pgvector in PGlite, ${count} vectors`, data.queries, truth, async (query) => {
    const { rows } = await lite.query(`select id from v order by e <=> $1::vector limit ${K}`, [text(query)]);
    return rows.map(({ id }) => id);
  });
  await lite.close();
  return row;
}

/** A store whose entities are all understood: what a pass over them and a minute of nothing cost. */
async function reconciler(count) {
  const database = openDatabase(sqliteUrl(path.join(folder, 'reconciler.db')), {
    schema: 'store',
    synchronous: 'normal',
  });
  await migrate(database, storeMigrations);
  const { sqlite } = database;
  const insights = new InsightRegistry(builtInInsights);
  const models = await readWantedModels(new ModelStore({ dir: path.join(folder, 'models') }), insights);
  const planned = insights.plannedFor('image');
  sqlite.transaction(() => {
    const file = sqlite.prepare(
      `insert into files (sha256, md5, path, added_at, tags_status, file_size, mime_type, type, extension)
       values (?, ?, ?, 1, 'complete', 1, 'image/jpeg', 'image', 'jpg')`,
    );
    const entity = sqlite.prepare(
      `insert into entities (id, is_collection, added_date, updated_date, version, type, sha256) values (?, 0, 1, 1, 1, 'image', ?)`,
    );
    const insight = sqlite.prepare(
      `insert into insights (entity_id, sha256, entity_version, status, updated_at) values (?, ?, 1, 'completed', 1)`,
    );
    const inference = sqlite.prepare(
      `insert into inferences (entity_id, task_type, subject, status, model, not_before) values (?, ?, '', 'completed', ?, 1)`,
    );
    for (let id = 1; id <= count; id++) {
      const sha256 = id.toString(16).padStart(64, '0');
      file.run(sha256, sha256.slice(32), `${sha256}/x.jpg`);
      entity.run(id, sha256);
      insight.run(id, sha256);
      for (const { task_type } of planned) inference.run(id, task_type, models.of(task_type));
    }
  })();
  const pass = {
    db: database.kysely,
    write: writeTransactions(database, Date.now),
    feed: entityFeed(database, { resolve: (relative) => relative }),
    insights,
    models,
  };
  const start = performance.now();
  for (let after = 0; after !== undefined; ) after = (await planPage(pass, after)).next;
  const seconds = (performance.now() - start) / 1000;
  await database.close();
  return seconds;
}

async function idle(count) {
  const { fork } = await import('node:child_process');
  const env = {
    PATH: process.env.PATH,
    CL_SERVER_DIR: folder,
    STORE_DATABASE_URL: sqliteUrl(path.join(folder, 'reconciler.db')),
    BROADCAST_TYPE: 'none',
    LOG_LEVEL: 'error',
  };
  const root = path.join(import.meta.dirname, '..');
  const run = (bin, args = []) =>
    fork(path.join(root, bin), args, { env, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  const ended = (child) => new Promise((resolve) => child.once('exit', resolve));
  await ended(run('services/compute/bin/compute-migrate.js'));
  const worker = run('services/store/bin/m-insight-worker.js');
  await new Promise((resolve) => worker.once('message', resolve));
  const cpu = () => {
    const [, , , , , , , , , , , user, system] = fs
      .readFileSync(`/proc/${worker.pid}/stat`, 'utf8')
      .split(') ')[1]
      .split(' ');
    return (Number(user) + Number(system)) / 100;
  };
  const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  await pause(20_000); // its first pass
  const before = cpu();
  await pause(20_000);
  const used = (cpu() - before) / 20;
  worker.send({ type: 'drain' });
  await ended(worker);
  return { entities: count, used };
}

console.log(
  `${COUNT} vectors of ${DIMENSION} numbers, ${QUERIES} queries, ${K} nearest, spread ${SPREAD} around ${CLUSTERS} centres`,
);
try {
  const clustered = mixture(COUNT, 1);
  const truth = exact(clustered);
  const mine = await ours('mixture', clustered, truth);
  console.table([mine, ...(await bareSqliteVec(clustered, truth)), await bareUsearch(clustered, truth)]);
  promises.push(['recall at least 0.98', mine.recall >= 0.98], ['p99 under 30 ms', mine['p99 ms'] < 30]);

  const worst = uniform(Math.min(COUNT, 50_000), 2);
  console.log('\nuniform random vectors, the worst case; nothing is promised:');
  console.table([await ours('uniform', worst, exact(worst))]);
  console.table([await pgvector(10_000)]);

  const entities = Number(options.entities);
  const seconds = await reconciler(entities);
  console.log(`\na full pass over ${entities} entities: ${seconds.toFixed(1)} s`);
  promises.push([`a full pass over ${entities} entities under 30 s`, seconds < 30]);
  if (fs.existsSync('/proc/self/stat')) {
    const { used } = await idle(entities);
    console.log(`idle with ${entities} entities: ${(used * 100).toFixed(2)} % of a core`);
    promises.push(['idle under 1 % of a core', used < 0.01]);
  }
  for (const [what, held] of promises) console.log(`${held ? 'holds' : 'MISSED'}  ${what}`);
  if (options.check && promises.some(([, held]) => !held)) process.exitCode = 1;
} finally {
  fs.rmSync(folder, { recursive: true, force: true });
}
