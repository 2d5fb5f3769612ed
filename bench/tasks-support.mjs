// The bare tools, and a worker with its own queue, for bench/tasks.mjs.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { exiftoolPath } from 'exiftool-vendored';
import sharp from 'sharp';
import { jobMigrations, newJobId, openJobs } from '../packages/jobs/dist/index.js';
import { migrate, noBroadcaster, openDatabase, silentLogger } from '../packages/service-kit/dist/index.js';

/** More jobs than one slot claims at once of any task, so that every slot gets some. */
const WARM_UP = 150;
/**
 * Milliseconds between two checks. The times come from the jobs themselves, and checking takes CPU time from the
 * worker.
 */
const POLL_MS = 200;
const WORKER = fileURLToPath(new URL('../packages/worker/bin/compute-worker.js', import.meta.url));

/** A JPEG with structure and noise, like that of a camera. */
export async function photo(file, width, height) {
  const noise = { type: 'gaussian', mean: 128, sigma: 40 };
  const small = await sharp({
    create: { width: width / 8, height: height / 8, channels: 3, background: 'grey', noise },
  })
    .png()
    .toBuffer();
  await sharp(small)
    .resize(width, height)
    .withExif({ IFD0: { Make: 'Bench', Model: 'One' } })
    .jpeg({ quality: 90 })
    .toFile(file);
  return file;
}

/** The straightforward loop with sharp. */
export async function bareSharp(files, folder, lanes, end) {
  let next = 0;
  const lane = async (id) => {
    while (next < files.length) {
      const file = files[next++];
      await end(sharp(file).autoOrient()).toFile(path.join(folder, `bare-${id}.jpg`));
    }
  };
  await Promise.all(Array.from({ length: lanes }, (_, id) => lane(id)));
}

/** Runs `exiftool -stay_open`, one file after the other; the start does not count. @returns milliseconds */
export async function bareExiftool(files) {
  const child = spawn('perl', [await exiftoolPath(), '-stay_open', 'True', '-@', '-'], {
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  let text = '';
  let wake = () => undefined;
  child.stdout.on('data', (chunk) => {
    text += chunk;
    if (text.endsWith('{ready}\n')) wake();
  });
  const ask = (args) =>
    new Promise((resolve) => {
      text = '';
      wake = resolve;
      child.stdin.write(`${args.join('\n')}\n-execute\n`);
    });
  await ask(['-ver']);
  const start = performance.now();
  for (const file of files) await ask(['-G', '-n', '-json', '-fast', file]);
  const took = performance.now() - start;
  child.stdin.end('-stay_open\nFalse\n');
  await new Promise((resolve) => child.on('close', resolve));
  return took;
}

/** Opens a queue of its own, with functions that fill it and wait for it. */
async function openQueue(folder, task, params) {
  fs.mkdirSync(folder, { recursive: true });
  const url = `sqlite://${path.join(folder, 'store.db')}`;
  const database = openDatabase(url, { schema: 'jobs', synchronous: 'full' });
  await migrate(database, jobMigrations);
  const storageDir = path.join(folder, 'compute');
  const { repository, close } = openJobs({ database, storageDir, broadcaster: noBroadcaster, logger: silentLogger() });
  const { default: definition } = await import(`../packages/tasks/dist/${task}/task.js`);
  const { parseParams, storedParams } = await import('../packages/task-kit/dist/index.js');
  const add = async (list) => {
    const jobs = list.map((file) => {
      const id = newJobId();
      const input = { path: 'input/photo.jpg', name: 'photo.jpg', size: fs.statSync(file).size };
      fs.mkdirSync(path.join(storageDir, id, 'input'), { recursive: true });
      // Files are linked instead of copied: writing copies to the disk would slow the first jobs.
      fs.linkSync(file, path.join(storageDir, id, input.path));
      return {
        job_id: id,
        task_type: task,
        params: storedParams(definition, parseParams(definition, params).data, input),
      };
    });
    await repository.addJobs(jobs);
    return jobs.map(({ job_id }) => job_id);
  };
  const ended = async (ids) => {
    for (;;) {
      const { queued, processing } = await repository.counts();
      if (queued + processing === 0) break;
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
    const jobs = [...(await repository.getJobs(ids)).values()];
    const failed = jobs.find(({ status }) => status === 'failed');
    if (failed) throw new Error(`${task}: ${failed.error_message}`);
    return jobs;
  };
  const startWorker = (lanes, onStart = () => undefined) => {
    const worker = spawn(process.execPath, [WORKER, '--tasks', task, '--concurrency', String(lanes)], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      env: {
        PATH: process.env.PATH,
        CL_SERVER_DIR: folder,
        WORKER_DATABASE_URL: url,
        BROADCAST_TYPE: 'none',
        LOG_LEVEL: 'error',
        WORKER_POLL_INTERVAL: '0.1',
      },
    });
    onStart(worker.pid);
    const early = (code) => {
      throw new Error(`the worker ended with ${code} before its jobs did`);
    };
    worker.on('exit', early);
    return async () => {
      const gone = new Promise((resolve) => worker.off('exit', early).on('exit', resolve));
      worker.kill('SIGTERM');
      await gone;
    };
  };
  const end = async () => {
    await close();
    await database.close();
  };
  return { add, ended, startWorker, end };
}

/**
 * Runs jobs through a real worker process with its own database.
 * @param onStart receives the process id of the worker
 * @returns milliseconds from the first start to the last end
 */
export async function jobsThroughWorker({ folder, task, params, files, lanes, onStart }) {
  const { add, ended, startWorker, end } = await openQueue(folder, task, params);
  const stopWorker = startWorker(lanes, onStart);
  try {
    await ended(await add(files.slice(0, WARM_UP))); // after that, every process of the worker has run some
    const jobs = await ended(await add(files));
    return Math.max(...jobs.map((j) => j.completed_at)) - Math.min(...jobs.map((j) => j.started_at));
  } finally {
    await stopWorker();
    await end();
  }
}

/** @returns milliseconds from the start of a second worker process on the same data to the end of a queued job */
export async function firstResult({ folder, task, file }) {
  const { add, ended, startWorker, end } = await openQueue(folder, task, {});
  try {
    let took = 0;
    for (let start = 0; start < 2; start++) {
      const ids = await add([file]);
      const began = Date.now();
      const stopWorker = startWorker(2);
      const [job] = await ended(ids).finally(() => stopWorker());
      took = job.completed_at - began;
    }
    return took;
  } finally {
    await end();
  }
}
