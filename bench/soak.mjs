// A soak test: npm run test:soak -- [options]. Needs the build; Linux, for /proc.
//   [--minutes 10] [--node /path/to/node] [--gc] [--seed 1] [--entities 60] [--pause 250] [--json file]
// It drives its own platform with a seeded mix of uploads, lists, searches, downloads, previews, jobs and deletions
// with a constant number of entities, and samples memory, descriptors and threads of each process and the number of
// rows of each table. After a warm-up of a fifth of the time, a line is fitted to each figure and shown as growth per
// hour. The exit code is 1 if a process of the platform ended by itself, a job was lost, or an answer was a 500. With
// --gc, every process collects all its garbage each second: statements, sessions and buffers are then finalized while
// others are in use.
import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import readline from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs, promisify } from 'node:util';
import { ClServer } from '@cl-server/client';
import BetterSqlite3 from 'better-sqlite3';
import sharp from 'sharp';
import { processesOf, slopePerHour } from './lib/processes.mjs';

const { values: options } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    node: { type: 'string', default: process.execPath },
    gc: { type: 'boolean', default: false },
    seed: { type: 'string', default: '1' },
    entities: { type: 'string', default: '60' },
    pause: { type: 'string', default: '250' },
    json: { type: 'string' },
  },
});
const MINUTES = Number(options.minutes);
const ENTITIES = Number(options.entities);
const PAUSE_MS = Number(options.pause);
const SAMPLE_INTERVAL_MS = Math.max(2_000, (MINUTES * 60_000) / 200);
const WARM_UP = 0.2;
const root = path.resolve(import.meta.dirname, '..');
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'cl-soak-'));
const dataDir = path.join(folder, 'data');

/** A generator with a seed (mulberry32), so that the mix can be repeated. */
function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
const next = random(Number(options.seed));
const oneOf = (list) => list[Math.floor(next() * list.length)];

/** Makes a picture that differs from all others. */
async function picture(name) {
  const file = path.join(folder, name);
  const [width, height] = [320 + Math.floor(next() * 640), 240 + Math.floor(next() * 480)];
  const background = { r: Math.floor(next() * 256), g: Math.floor(next() * 256), b: Math.floor(next() * 256) };
  const noise = await sharp({
    create: { width, height, channels: 3, background, noise: { type: 'gaussian', mean: 128, sigma: 40 } },
  })
    .jpeg({ quality: 80 })
    .toBuffer();
  fs.writeFileSync(file, noise);
  return file;
}

async function startPlatform() {
  const password = randomBytes(12).toString('base64url');
  const ports = ['auth', 'store', 'compute'].flatMap((name) => [`--${name}-port`, '0']);
  const collect = path.join(folder, 'collect.cjs');
  fs.writeFileSync(collect, 'setInterval(() => globalThis.gc && globalThis.gc(), 1000).unref();\n');
  const gc = options.gc ? { NODE_OPTIONS: `--expose-gc --require ${collect}` } : {};
  const args = [
    path.join(root, 'apps/server/bin/cl-server.js'),
    'start',
    '--data-dir',
    dataDir,
    '--workers',
    '1',
    ...ports,
  ];
  const child = spawn(options.node, args, {
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    env: { ...process.env, ...gc, ADMIN_PASSWORD: password, BROADCAST_TYPE: 'none' },
  });
  const lines = [];
  readline.createInterface({ input: child.stdout }).on('line', (line) => {
    if (/ (?:error|fatal|warn) /.test(line)) lines.push(line);
  });
  const gone = new Promise((resolve) => child.on('exit', resolve));
  const urls = await new Promise((resolve, reject) => {
    child.on('message', (message) => message?.type === 'ready' && resolve(message.info));
    child.on('exit', (code) => reject(new Error(`the platform ended with ${code}`)));
  });
  const cl = new ClServer({ urls });
  await cl.session.login('admin', password);
  return { cl, child, gone, lines };
}

/** Counts the rows of all tables of a SQLite database. */
function rowsOf(file) {
  const database = new BetterSqlite3(file, { readonly: true });
  try {
    const tables = database
      .prepare("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
      .pluck()
      .all();
    return Object.fromEntries(
      tables.flatMap((name) => {
        try {
          return [[`rows of ${name}`, database.prepare(`SELECT count(*) FROM "${name}"`).pluck().get()]];
        } catch {
          return []; // a virtual table of an extension that is not loaded here
        }
      }),
    );
  } finally {
    database.close();
  }
}

const counts = new Map();
const faults = [];
const count = (name) => counts.set(name, (counts.get(name) ?? 0) + 1);

async function firstOf(all, most) {
  let number = 0;
  for await (const _ of all) if (++number >= most) break;
}

/** The mix of requests: each step does some of what clients do. */
function stepsOf(cl, entities) {
  const upload = async () => {
    const file = await picture(`p-${counts.get('upload') ?? 0}.jpg`);
    const { entity } = await cl.store.entities.upload(file, { label: oneOf(['Beach', 'Mountains', 'Straße', '山']) });
    fs.rmSync(file);
    entities.push(entity.id);
  };
  const remove = async () => {
    const [id] = entities.splice(Math.floor(next() * entities.length), 1);
    await cl.store.entities.delete(id);
  };
  const job = (make) => async () => {
    const file = await picture(`j-${randomBytes(4).toString('hex')}.jpg`);
    try {
      await make(file).output;
    } finally {
      fs.rmSync(file);
    }
  };
  return {
    upload: async () => {
      await upload();
      count('upload');
      while (entities.length > ENTITIES) await remove();
    },
    list: () => firstOf(cl.store.entities.list({}), 20),
    search: () => firstOf(cl.store.entities.list({ search_query: oneOf(['beach', 'mount', 'str', '山']) }), 20),
    get: () => cl.store.entities.get(oneOf(entities)),
    download: () => cl.store.media.download(oneOf(entities), path.join(folder, 'download.jpg'), { force: true }),
    preview: () => cl.store.media.preview(oneOf(entities)),
    exif: job((file) => cl.compute.exif.extract(file)),
    hash: job((file) => cl.compute.hash.compute(file)),
    thumbnail: job((file) => cl.compute.mediaThumbnail.generate(file, { width: 128 })),
  };
}

const series = new Map();
const record = (name, at, value) => {
  if (!series.has(name)) series.set(name, []);
  series.get(name).push([at, value]);
};

function sample(pid, at, seen) {
  const processes = processesOf(pid);
  const kinds = new Map();
  for (const { pid: id, rss, what, fds, threads } of processes) {
    const kind = /task-runner/.test(what)
      ? 'task-runner'
      : (what.match(
          /(cl-server|cl-broker|auth-server|compute-server|compute-worker|m-insight-worker|store-media|store)(?!\/)/, // not the scope of a package
        )?.[1] ?? 'tools');
    const sum = kinds.get(kind) ?? { rss: 0, fds: 0, threads: 0 };
    kinds.set(kind, { rss: sum.rss + rss, fds: sum.fds + fds, threads: sum.threads + threads });
    if (kind === 'task-runner') seen.runners.add(id);
    else if (kind !== 'tools' && kind !== 'store-media')
      seen.services.set(kind, (seen.services.get(kind) ?? new Set()).add(id));
  }
  for (const [kind, { rss, fds, threads }] of kinds) {
    record(`${kind} MB`, at, rss);
    record(`${kind} descriptors`, at, fds);
    record(`${kind} threads`, at, threads);
  }
  for (const name of ['store.db', 'user_auth.db'])
    for (const [table, rows] of Object.entries(rowsOf(path.join(dataDir, name)))) record(table, at, rows);
}

async function main() {
  const { stdout: version } = await promisify(execFile)(options.node, ['--version']);
  console.log(
    `Node ${version.trim()}, ${MINUTES} min, seed ${options.seed}, ${options.gc ? 'garbage collection each second' : 'no forced collection'}`,
  );
  const { cl, child, gone, lines } = await startPlatform();
  let ended = false;
  void gone.then(() => {
    ended = true;
  });
  const entities = [];
  const steps = stepsOf(cl, entities);
  for (let i = 0; i < Math.min(ENTITIES, 10); i++) await steps.upload();
  const began = performance.now();
  const seen = { runners: new Set(), services: new Map() };
  let sampleAt = 0;
  while (!ended && performance.now() - began < MINUTES * 60_000) {
    const at = performance.now() - began;
    if (at >= sampleAt) {
      sample(child.pid, at, seen);
      sampleAt = at + SAMPLE_INTERVAL_MS;
    }
    const name = oneOf(Object.keys(steps));
    try {
      await steps[name]();
      if (name !== 'upload') count(name);
    } catch (error) {
      count(`${name} failed`);
      faults.push(`${name}: ${error.message}`);
    }
    await pause(next() * PAUSE_MS * 2);
  }
  const aborted = ended;
  if (!ended) child.send({ type: 'drain' });
  await gone;
  await cl.close();
  report({ aborted, lines, seen });
}

function report({ aborted, lines, seen }) {
  const from = MINUTES * 60_000 * WARM_UP;
  const rows = [...series].flatMap(([what, points]) => {
    const late = points.filter(([at]) => at >= from);
    if (late.length < 3) return [];
    return [{ what, first: late[0][1], last: late.at(-1)[1], 'per hour': slopePerHour(late) }];
  });
  const shown = rows.filter((row) => Math.abs(row['per hour']) >= 0.5 || / MB$/.test(row.what));
  console.table(
    shown.map((row) => ({
      ...row,
      first: Math.round(row.first),
      last: Math.round(row.last),
      'per hour': Math.round(row['per hour']),
    })),
  );
  console.log(`requests: ${[...counts].map(([name, number]) => `${name} ${number}`).join(', ')}`);
  console.log(`task processes seen: ${seen.runners.size}`);
  const restarted = [...seen.services].filter(([, ids]) => ids.size > 1).map(([name]) => name);
  for (const text of new Set(faults)) console.log(`failed: ${text}`);
  for (const line of lines.slice(0, 20)) console.log(`log: ${line.slice(0, 200)}`);
  if (restarted.length > 0) console.log(`ended by themselves and were restarted: ${restarted.join(', ')}`);
  const held = !aborted && restarted.length === 0 && faults.length === 0;
  console.log(held ? 'passed: no process ended by itself, and no request failed' : 'FAILED');
  if (options.json)
    fs.writeFileSync(
      options.json,
      JSON.stringify({ options, rows, counts: Object.fromEntries(counts), faults, restarted, aborted }, null, 2),
    );
  if (!held) process.exitCode = 1;
}

try {
  await main();
} finally {
  fs.rmSync(folder, { recursive: true, force: true });
}
