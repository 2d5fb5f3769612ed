// Measures the speed of the model tasks: npm run bench -- ml [--check] [--images 96] [--rounds 3]. Needs the build.
// A whole worker (jobs queued, files uploaded) alternates with a bare loop of decoding and session.run with the same
// number of threads. The file of the detector is taken from MODELS_DIR or downloaded. The large model has the shapes of
// CLIP's ViT-B/32 and random weights; it is made for the run and removed afterwards.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { faceDetectionTask } from '@cl-server/contract';
import { floatTensor, ModelSession, ModelStore, manifestById, writeImage } from '@cl-server/models';
import * as ort from 'onnxruntime-node';
import sharp from 'sharp';
import { passSides } from '../packages/tasks/dist/faces/detector.js';
import { median } from './lib/measure.mjs';
import { firstResult, jobsThroughWorker, photo } from './tasks-support.mjs';

const { values: options } = parseArgs({
  options: {
    check: { type: 'boolean', default: false },
    images: { type: 'string', default: '96' },
    rounds: { type: 'string', default: '3' },
  },
});
const IMAGES = Number(options.images);
const ROUNDS = Number(options.rounds);
const THREADS = os.availableParallelism();
const MIN_RATIO = 0.9;
const BATCH = 8;

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'cl-bench-ml-'));
const at = (name) => path.join(folder, name);
// The handler also runs on an early exit: the large model must not stay.
process.once('exit', () => fs.rmSync(folder, { recursive: true, force: true }));
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));
const timed = async (work) => {
  const start = performance.now();
  await work();
  return performance.now() - start;
};
let missed = 0;
let turn = 0;

/** Makes a data folder with the models of the benchmark. */
function dataFolder() {
  const data = at(`data-${++turn}`);
  fs.mkdirSync(data);
  fs.symlinkSync(at('models'), path.join(data, 'models'));
  return data;
}

async function compare(name, { task, files, bare }) {
  const [ours, theirs] = [[], []];
  for (let round = 0; round < ROUNDS; round++) {
    theirs.push(await timed(bare));
    const data = dataFolder();
    ours.push(await jobsThroughWorker({ folder: data, task, params: {}, files, lanes: 2 }));
    fs.rmSync(data, { recursive: true });
  }
  const perSecond = (milliseconds) => ((files.length / milliseconds) * 1000).toFixed(1);
  const ratio = median(ours.map((took, round) => theirs[round] / took));
  const holds = ratio >= MIN_RATIO;
  if (!holds) missed++;
  console.log(
    `${name}: ${perSecond(median(ours))} images/s, bare loop ${perSecond(median(theirs))}, ratio ${ratio.toFixed(2)} ` +
      `(at least ${MIN_RATIO}) ${holds ? 'holds' : 'MISSED'}`,
  );
}

/**
 * The straightforward way: decode, then run, one picture after the other, at the sizes at which the task searches; the
 * smaller sizes are made from the largest.
 */
async function bareFaces(session, sides, files) {
  for (const file of files) {
    let image = sharp(file).autoOrient();
    for (const side of sides) {
      const { data, info } = await image
        .resize(side, side, { fit: 'inside', kernel: 'linear' })
        .removeAlpha()
        .raw()
        .toBuffer({ resolveWithObject: true });
      image = sharp(data, { raw: info });
      const [columns, rows] = [info.width, info.height].map((length) => Math.ceil(length / 32) * 32);
      const area = columns * rows;
      const tensor = new Float32Array(3 * area);
      for (let y = 0, from = 0; y < info.height; y++)
        for (let x = 0, to = y * columns; x < info.width; x++, to++, from += 3) {
          tensor[to] = data[from + 2];
          tensor[to + area] = data[from + 1];
          tensor[to + 2 * area] = data[from];
        }
      await session.run({ input: new ort.Tensor('float32', tensor, [1, 3, rows, columns]) });
    }
  }
}

/** Decodes a batch of pictures at once, then runs it. */
async function bareClip(session, rules, files) {
  for (let first = 0; first < files.length; first += BATCH) {
    const pictures = await Promise.all(
      files
        .slice(first, first + BATCH)
        .map((file) =>
          sharp(file).autoOrient().resize(224, 224, { fit: 'cover', kernel: 'cubic' }).removeAlpha().raw().toBuffer(),
        ),
    );
    const data = new Float32Array(pictures.length * 3 * 224 * 224);
    for (const [index, pixels] of pictures.entries()) writeImage(pixels, rules, data, index);
    await session.run({ pixel_values: new ort.Tensor('float32', data, [pictures.length, 3, 224, 224]) });
  }
}

async function batching(file) {
  const session = new ModelSession(file, { provider: 'cpu', threads: THREADS });
  const run = (size) => {
    const data = new Float32Array(size * 3 * 224 * 224).fill(0.5);
    return session.run({ pixel_values: floatTensor(data, [size, 3, 224, 224]) });
  };
  await run(BATCH);
  const ratios = [];
  for (let round = 0; round < ROUNDS; round++) {
    const single = await timed(async () => {
      for (let i = 0; i < BATCH; i++) await run(1);
    });
    ratios.push(single / (await timed(() => run(BATCH))));
  }
  await session.release();
  console.log(`ViT-B/32, a batch of ${BATCH} against ${BATCH} of one: ${median(ratios).toFixed(2)} times as fast`);
}

/** Runs in a process with the allocator settings of a runner; the file is in the disk cache. */
function memoryAndStart(name, file, input, side) {
  const { stdout } = spawnSync(process.execPath, [path.join(import.meta.dirname, 'ml-memory.mjs'), file, input, side], {
    encoding: 'utf8',
    env: { ...process.env, MALLOC_MMAP_THRESHOLD_: '1048576', MALLOC_TRIM_THRESHOLD_: '1048576' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const { first, loaded, kept } = JSON.parse(stdout);
  console.log(
    `${name}: ${(fs.statSync(file).size / 1e6).toFixed(1)} MB of file take ${loaded} MB of memory, ${kept} MB after ` +
      `unloading; load to first result ${first} ms`,
  );
  return first;
}

async function firstThroughWorker(name, task, file) {
  const data = dataFolder();
  const took = await firstResult({ folder: data, task, file });
  fs.rmSync(data, { recursive: true });
  console.log(`${name}: a worker that starts has its first result after ${took.toFixed(0)} ms`);
}

const store = new ModelStore({ dir: at('models') });
const yunet = manifestById('yunet-2026may');
const given = process.env.MODELS_DIR && (await new ModelStore({ dir: process.env.MODELS_DIR }).locate(yunet));
if (given) {
  fs.mkdirSync(at('models'), { recursive: true });
  fs.copyFileSync(given, at(`models/${yunet.file}`));
}
const detector = await store.pull(yunet);
const vit = at('vit.onnx');
const made = spawnSync(process.execPath, [path.join(import.meta.dirname, 'ml-vit.mjs'), vit], { stdio: 'inherit' });
if (made.status !== 0) throw new Error('the large model could not be made');
const clip = manifestById('clip-vit-b32-image');
await store.use('clip_image', vit, {
  ...{ id: 'bench-vit-b32', input: 'pixel_values', output: 'image_embeds', dimension: 512, batch: true },
  preprocessing: clip.preprocessing,
});
const [WIDTH, HEIGHT] = [1600, 1200];
const SMALLEST_FACE = faceDetectionTask.form.parse({}).min_face_size;
const picture = await photo(at('photo.jpg'), WIDTH, HEIGHT);
const files = Array.from({ length: IMAGES }, () => picture);

const settings = { executionProviders: ['cpu'], intraOpNumThreads: THREADS };
const faces = await ort.InferenceSession.create(detector, settings);
await compare('YuNet', {
  task: 'face_detection',
  files: [...files, ...files],
  bare: () => bareFaces(faces, passSides(WIDTH, SMALLEST_FACE), [...files, ...files]),
});
await faces.release();
const large = await ort.InferenceSession.create(vit, settings);
await compare('ViT-B/32', { task: 'clip_embedding', files, bare: () => bareClip(large, clip.preprocessing, files) });
await large.release();
await batching(vit);

const small = memoryAndStart('YuNet', detector, 'input', '640');
if (small > 1000) missed++;
memoryAndStart('ViT-B/32', vit, 'pixel_values', '224');
await firstThroughWorker('YuNet', 'face_detection', picture);
await firstThroughWorker('ViT-B/32', 'clip_embedding', picture);
if (options.check && missed > 0) process.exitCode = 1;
