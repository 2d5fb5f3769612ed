// Runs a session on the Node that runs this program: it starts the platform, runs the commands of the README, starts another
// worker, and completes one job of each built-in task. Prints a line for each step; the last line is JSON with the counts.
import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import readline from 'node:readline';
import { promisify } from 'node:util';
import { ClServer } from '@cl-server/client';
import { ModelStore } from '@cl-server/models';
import { installStandIns, SMALL_FACE_MODEL } from '@cl-server/testing';
import { makeSamples } from '../examples/demo/samples.js';

const root = path.resolve(import.meta.dirname, '..');
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'cl-session-'));
const dataDir = path.join(folder, 'data');
const password = randomBytes(12).toString('base64url');
const STEP_TIMEOUT_MS = 60_000;

const counts = { passed: 0, failed: 0 };

/** @template T @param {string} name @param {() => Promise<T>} work @returns {Promise<T | undefined>} */
async function step(name, work) {
  const from = performance.now();
  const signal = AbortSignal.timeout(STEP_TIMEOUT_MS);
  const late = once(signal, 'abort').then(() =>
    Promise.reject(new Error(`not done after ${STEP_TIMEOUT_MS / 1000} s`)),
  );
  try {
    const result = await Promise.race([work(), late]);
    counts.passed++;
    console.log(`  ok      ${name} (${((performance.now() - from) / 1000).toFixed(1)} s)`);
    return result;
  } catch (error) {
    counts.failed++;
    console.log(`  FAILED  ${name}: ${error.stderr?.trim() || error.message}`);
    return undefined;
  }
}

async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  return String(port);
}

const models = path.join(root, '../shared/models');
const detector = 'face_detection_yunet_2026may.onnx';
const tokenizer = 'clip-tokenizer/tokenizer.json';
const hasFiles = [detector, 'mobilefacenet.onnx', tokenizer].every((file) => fs.existsSync(path.join(models, file)));
const NEED_FILES = ['clip_text_embedding', 'face_detection', 'face_embedding'];

/** Most models are generated here; a task that needs a file that cannot be generated runs if the file lies beside the project. */
async function putModels(dir) {
  fs.mkdirSync(dir, { recursive: true });
  installStandIns(dir);
  if (!hasFiles) return;
  fs.copyFileSync(path.join(models, tokenizer), path.join(dir, 'tokenizer.json'));
  fs.copyFileSync(path.join(models, detector), path.join(dir, detector));
  await new ModelStore({ dir }).use('face_embedding', path.join(models, 'mobilefacenet.onnx'), SMALL_FACE_MODEL);
}

/** @returns the running platform, started as by `npm start`, and its addresses */
async function startPlatform(env) {
  const ports = ['auth', 'store', 'compute', 'mqtt-ws'].flatMap((name) => [`--${name}-port`, '0']);
  const args = ['start', '--data-dir', dataDir, ...ports, '--mqtt-port', await freePort()];
  const platform = spawn(process.execPath, [path.join(root, 'scripts/bootstrap.js'), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...env, ADMIN_PASSWORD: password },
  });
  process.once('exit', () => platform.kill('SIGKILL'));
  const lines = readline.createInterface({ input: platform.stdout });
  const ready = new Promise((resolve, reject) => {
    lines.on('line', (line) => line.startsWith('ready ') && resolve(JSON.parse(line.slice('ready '.length))));
    platform.once('exit', (code) => reject(new Error(`it ended with ${code}`)));
  });
  return { platform, info: await ready };
}

/** The commands of the README, in their order. */
function commandsOfReadme() {
  const text = fs.readFileSync(path.join(root, 'README.md'), 'utf8');
  return [...text.matchAll(/^\$ npx (cl-client .+)$/gm)].map(([, command]) => command);
}

const runCommand = (command, env) =>
  promisify(execFile)('sh', ['-c', command], { cwd: folder, env, timeout: STEP_TIMEOUT_MS });

async function startWorker(env, cl) {
  const id = 'session-worker';
  const worker = spawn('compute-worker', ['--worker-id', id], { stdio: ['ignore', 'ignore', 'inherit'], env });
  process.once('exit', () => worker.kill('SIGKILL'));
  for (;;) {
    const workers = await cl.compute.workers.list();
    if (workers.some(({ worker_id }) => worker_id === id)) return worker;
    if (worker.exitCode !== null) throw new Error(`it ended with ${worker.exitCode}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/** Starts one job of each built-in task. */
const jobs = (cl, { photo, video, face }) => ({
  clip_embedding: () => cl.compute.clipEmbedding.embedImage(photo),
  clip_text_embedding: () => cl.compute.clipText.embedText('mountains at sunset'),
  dino_embedding: () => cl.compute.dinoEmbedding.embedImage(photo),
  exif: () => cl.compute.exif.extract(photo),
  face_detection: () => cl.compute.faceDetection.detect(face),
  face_embedding: () => cl.compute.faceEmbedding.embedFaces(face),
  hash: () => cl.compute.hash.compute(photo),
  hls_streaming: () =>
    cl.compute.hlsStreaming.generateManifest(video, { variants: [{ resolution: 240, bitrate: null }] }),
  image_conversion: () => cl.compute.imageConversion.convert(photo, 'webp'),
  media_thumbnail: () => cl.compute.mediaThumbnail.generate(video, { width: 160 }),
});

const BUILT_IN = path.join(root, 'packages/tasks/src');
const builtIn = fs.readdirSync(BUILT_IN).filter((name) => fs.existsSync(path.join(BUILT_IN, name, 'task.ts')));

async function runJobs(cl) {
  const samples = await makeSamples(path.join(folder, 'samples'));
  const all = jobs(cl, { ...samples, face: path.join(root, '../shared/media/face_astronaut.png') });
  for (const task of builtIn) {
    if (NEED_FILES.includes(task) && !hasFiles) {
      console.log(`  left out: a job of ${task}, which needs model files that are not here`);
      continue;
    }
    await step(`a job of ${task}`, async () => {
      if (!all[task]) throw new Error('this session has no job for it');
      const { status } = await all[task]();
      if (status !== 'completed') throw new Error(`it is ${status}`);
    });
  }
}

async function endOf(child, signal) {
  const ended = once(child, 'exit');
  child.kill(signal);
  const [code] = await ended;
  if (code !== 0) throw new Error(`it ended with ${code}`);
}

async function session() {
  const PATH = [path.join(root, 'node_modules/.bin'), process.env.PATH].join(path.delimiter);
  const env = { ...process.env, PATH, MODELS_DIR: path.join(folder, 'models'), CL_CONFIG_DIR: folder };
  await putModels(env.MODELS_DIR);
  const started = await step('the platform starts', () => startPlatform(env));
  if (!started) return;
  const { platform, info } = started;
  const { auth, store, compute, mqtt } = info.urls ?? info;
  const addresses = { AUTH_URL: auth, STORE_URL: store, COMPUTE_URL: compute, MQTT_URL: mqtt };
  fs.symlinkSync(path.join(root, 'examples'), path.join(folder, 'examples'));
  for (const command of commandsOfReadme()) {
    const login = command.startsWith('cl-client login') && { CL_PASSWORD: password };
    await step(command, () => runCommand(command, { ...env, ...addresses, ...login }));
  }
  const cl = new ClServer({ urls: { auth, store, compute, mqtt } });
  await cl.session.login('admin', password);
  const worker = await step('a worker joins', () => startWorker({ ...env, ...addresses, CL_SERVER_DIR: dataDir }, cl));
  await runJobs(cl);
  await cl.close();
  if (worker) await step('the worker ends', () => endOf(worker, 'SIGTERM'));
  await step('the platform ends', () => endOf(platform, 'SIGINT'));
}

console.log(`A session on Node ${process.version}`);
try {
  await session();
} catch (error) {
  counts.failed++;
  console.log(`  FAILED  ${error.stack}`);
}
fs.rmSync(folder, { recursive: true, force: true });
console.log(JSON.stringify(counts));
process.exit(counts.failed === 0 ? 0 : 1);
