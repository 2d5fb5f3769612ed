// Measures the speed of the media tasks compared with the bare tools, both in one run.
//   node bench/tasks.mjs [--only thumbnail,conversion,exif,hash,hls,memory] [--rounds 5] [--check]
// Needs the build (npm run build), ffmpeg and sha256sum. Thumbnails, conversions and metadata go through a whole
// worker.
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import sharp from 'sharp';
import {
  EncoderFinder,
  fileDigests,
  hlsArguments,
  ladder,
  makeHls,
  mediaInput,
  probe,
} from '../packages/media/dist/index.js';
import { watchMemory } from './lib/memory.mjs';
import { bareExiftool, bareSharp, jobsThroughWorker, photo } from './tasks-support.mjs';

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: 'thumbnail,conversion,exif,hash,hls,memory' },
    rounds: { type: 'string', default: '5' },
    check: { type: 'boolean', default: false },
  },
});
const ROUNDS = Number(values.rounds);
const LANES = 2;
/** Maximum memory in megabytes of a worker with all its processes. */
const MAX_MEMORY_MB = 512;
/** Minimum ratios to the bare tools: their time divided by ours. */
const TARGETS = { thumbnail: 0.9, conversion: 0.9, exif: 0.9, hash: 0.8, hls: 1 / 1.05 };

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'cl-bench-tasks-'));
const at = (name) => path.join(folder, name);
const timed = async (work) => {
  const start = performance.now();
  await work();
  return performance.now() - start;
};
const median = (numbers) => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)];
const tool = (name) => spawnSync('which', [name], { encoding: 'utf8' }).stdout.trim();

async function images(task, params, end, count) {
  const file = await photo(at(`${task}.jpg`), 4000, 3000);
  const files = Array.from({ length: count }, () => file);
  return {
    ours: () => jobsThroughWorker({ folder: at(`data-${task}-${Date.now()}`), task, params, files, lanes: LANES }),
    bare: () => timed(() => bareSharp(files, folder, LANES, end)),
  };
}

const benches = {
  thumbnail: () =>
    images(
      'media_thumbnail',
      { width: 512 },
      (image) => image.resize(512).flatten({ background: '#fff' }).jpeg({ quality: 80 }),
      360,
    ),
  conversion: () =>
    images(
      'image_conversion',
      { format: 'jpg', width: 2000 },
      (image) => image.resize(2000).keepMetadata().jpeg({ quality: 85, optimiseCoding: false }),
      120,
    ),
  exif: async () => {
    const file = await photo(at('exif.jpg'), 640, 480);
    const files = Array.from({ length: 800 }, (_, i) => {
      fs.copyFileSync(file, at(`exif-${i}.jpg`));
      return at(`exif-${i}.jpg`);
    });
    return {
      ours: () =>
        jobsThroughWorker({ folder: at(`data-exif-${Date.now()}`), task: 'exif', params: {}, files, lanes: LANES }),
      bare: () => bareExiftool(files),
    };
  },
  hash: async () => {
    const block = Buffer.from(Array.from({ length: 1 << 20 }, (_, i) => (i * 2654435761) >>> 24));
    const handle = fs.openSync(at('big'), 'w');
    for (let i = 0; i < 1024; i++) fs.writeSync(handle, block);
    fs.closeSync(handle);
    return {
      ours: () => timed(() => fileDigests(at('big'))),
      bare: () => timed(async () => spawnSync('sha256sum', [at('big')])),
    };
  },
  hls: async () => {
    const ffmpeg = tool('ffmpeg');
    const ffprobe = tool('ffprobe');
    const lavfi = [
      '-f',
      'lavfi',
      '-i',
      'testsrc2=size=1280x720:rate=30:duration=60',
      '-f',
      'lavfi',
      '-i',
      'sine=duration=60',
    ];
    spawnSync(ffmpeg, ['-v', 'error', '-y', ...lavfi, '-pix_fmt', 'yuv420p', '-preset', 'ultrafast', at('v.mp4')]);
    const input = await mediaInput(at('v.mp4'));
    const info = await probe(input, { ffprobe });
    const variants = [
      { resolution: 480, bitrate: 1500 },
      { resolution: 240, bitrate: 500 },
    ];
    const plan = {
      input,
      info,
      source: info.video,
      renditions: ladder(info, info.video, variants, true),
      encoder: await new EncoderFinder({ remember: (_, find) => find(), onUnanswered: () => undefined }).find(ffmpeg),
      folder: at('hls'),
      threads: LANES,
      maxPixels: 1e9,
    };
    const options = {
      ffmpeg,
      ffprobe,
      signal: new AbortController().signal,
      timeout: 1e6,
      onProgress: () => undefined,
    };
    fs.mkdirSync(at('bare'));
    const run = () =>
      new Promise((resolve) =>
        spawn(ffmpeg, hlsArguments({ ...plan, folder: at('bare') }), { stdio: 'ignore' }).on('close', resolve),
      );
    return { ours: () => timed(() => makeHls(plan, options)), bare: () => timed(run) };
  },
};

/**
 * Processes ten photos of 24 megapixels at once, as stored by a camera and in portrait orientation, and measures the
 * memory of the whole worker.
 */
async function memory() {
  const lying = await photo(at('large.jpg'), 6000, 4000);
  const upright = at('upright.jpg');
  await sharp(lying).withMetadata({ orientation: 6 }).jpeg({ quality: 90 }).toFile(upright);
  const files = Array.from({ length: 10 }, (_, i) => (i % 2 === 0 ? lying : upright));
  let holds = true;
  for (const [task, params] of [
    ['media_thumbnail', { width: 512 }],
    ['image_conversion', { format: 'jpg' }],
  ]) {
    let peak = () => Number.NaN;
    const onStart = (pid) => {
      peak = watchMemory(pid);
    };
    await jobsThroughWorker({ folder: at(`data-m-${task}`), task, params, files, lanes: LANES, onStart });
    const megabytes = peak() / 1024 / 1024;
    holds &&= megabytes <= MAX_MEMORY_MB;
    console.log(
      `memory      ${task}: ${megabytes.toFixed(0)} MB (at most ${MAX_MEMORY_MB}) ${megabytes <= MAX_MEMORY_MB ? 'holds' : 'MISSED'}`,
    );
  }
  return holds;
}

let missed = 0;
try {
  for (const name of values.only.split(',')) {
    if (name === 'memory') {
      if (!(await memory())) missed++;
      continue;
    }
    const { ours, bare } = await benches[name]();
    const [a, b] = [[], []];
    for (let round = 0; round < ROUNDS; round++) {
      b.push(await bare());
      a.push(await ours());
    }
    // The two rounds of a pair run one after the other, so that other load on the machine affects both.
    const ratio = median(a.map((ours, round) => b[round] / ours));
    const holds = ratio >= TARGETS[name];
    if (!holds) missed++;
    console.log(
      `${name.padEnd(11)} ours ${median(a).toFixed(0)} ms, bare ${median(b).toFixed(0)} ms, ratio ${ratio.toFixed(2)} ` +
        `(at least ${TARGETS[name].toFixed(2)}) ${holds ? 'holds' : 'MISSED'}`,
    );
  }
} finally {
  fs.rmSync(folder, { recursive: true, force: true });
}
if (values.check && missed > 0) process.exitCode = 1;
