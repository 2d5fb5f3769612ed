/** Damaged files through a whole worker: each gives a result or a failure with its reason, and no child process is lost. */
import fs from 'node:fs';
import path from 'node:path';
import {
  exifTask,
  hashTask,
  hlsStreamingTask,
  imageConversionTask,
  mediaThumbnailTask,
  type TaskContract,
} from '@cl-server/contract';
import { type JobRecord, newJobId } from '@cl-server/jobs';
import { eventually, hasFfmpeg, makeVideo, mutate, tempDir } from '@cl-server/testing';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type TestPlatform, testPlatform, type WorkerProcess } from './support/platform.js';

const IMAGES = 2000;
const VIDEOS = 200;
const WITHIN = 240_000;
/** Error codes for a bad file. A crash or an unexpected error of a task is not among them. */
const FORESEEN = ['invalid_input', 'unsupported_media'];

interface Work {
  readonly task: TaskContract;
  readonly params: Readonly<Record<string, unknown>>;
}
const thumbnail: Work = { task: mediaThumbnailTask, params: { width: '32' } };
const ofImages: readonly Work[] = [
  thumbnail,
  { task: hashTask, params: {} },
  { task: imageConversionTask, params: { format: 'tiff' } },
  { task: exifTask, params: {} },
];
const ofVideos: readonly Work[] = [
  thumbnail,
  { task: hlsStreamingTask, params: { variants: '[{"resolution":32,"bitrate":100}]', include_original: 'true' } },
];
const at = <T>(list: readonly T[], index: number): T => list[index % list.length] as T;

describe.runIf(hasFfmpeg())('damaged files', () => {
  const dir = tempDir('cl-mutated-');
  let platform: TestPlatform;
  let worker: WorkerProcess;

  beforeAll(async () => {
    platform = await testPlatform({ plugins: [] });
    const tasks = [...ofImages, ...ofVideos].map(({ task }) => task.type);
    worker = platform.start({
      args: ['--concurrency', '2'],
      env: { WORKER_SUPPORTED_TASKS: [...new Set(tasks)].join(','), WORKER_LEASE_SECONDS: '10' },
    });
    await worker.ready;
  });
  afterAll(async () => {
    await platform.close();
    dir.remove();
  });

  /** Gives the damaged files to the worker, each to one of the tasks. @returns the jobs at their ends, by their seeds */
  async function run(count: number, sources: readonly Buffer[], works: readonly Work[]): Promise<readonly JobRecord[]> {
    const jobs = await Promise.all(
      Array.from({ length: count }, async (_, seed) => {
        const { task, params } = at(works, Math.floor(seed / sources.length));
        const job_id = newJobId();
        const input = path.join(platform.dataDir, 'compute', job_id, 'input');
        await fs.promises.mkdir(input, { recursive: true });
        await fs.promises.writeFile(path.join(input, 'x'), mutate(at(sources, seed), seed));
        const paths = { input_path: 'input/x', output_path: 'output/x' };
        return { job_id, task_type: task.type, params: { ...task.form.parse(params), ...paths }, max_retries: 3 };
      }),
    );
    await platform.jobs.repository.addJobs(jobs);
    await eventually(
      async () => {
        const { queued, processing } = await platform.jobs.repository.counts();
        return queued + processing === 0;
      },
      { within: WITHIN, every: 100, what: 'the end of every job' },
    );
    return Promise.all(jobs.map(({ job_id }) => platform.job(job_id)));
  }

  function expectForeseen(jobs: readonly JobRecord[]): void {
    const surprises = jobs.flatMap(
      ({ task_type, status, error_code, error_message, task_output, retry_count }, seed) => {
        const foreseen = status === 'completed' || FORESEEN.includes(error_code ?? '');
        const told = JSON.stringify([error_message, task_output]);
        const fair = foreseen && retry_count === 0 && !told.includes(platform.dataDir);
        return fair ? [] : [{ seed, task_type, error_code, told, retry_count }];
      },
    );
    expect(surprises).toEqual([]);
    // Some are damaged where it does not matter, and some where it does: otherwise nothing was tried.
    const failed = jobs.filter(({ status }) => status === 'failed').length;
    expect(failed).toBeGreaterThan(jobs.length / 10);
    expect(failed).toBeLessThan(jobs.length);
    // Task processes end by themselves when they have nothing to do, or have grown; none may be ended by a file.
    expect(worker.output()).not.toContain('a task process ended unexpectedly');
  }

  it('images are decoded or refused for a reason, and the worker’s processes live on', {
    timeout: WITHIN,
  }, async () => {
    const noise = { type: 'gaussian' as const, mean: 128, sigma: 30 };
    const picture = sharp({ create: { width: 64, height: 48, channels: 3, background: 'grey', noise } }).withExif({
      IFD0: { Make: 'Canon' },
    });
    const formats = ['jpeg', 'png', 'webp', 'gif', 'tiff', 'avif'] as const;
    const sources = await Promise.all(formats.map((format) => picture.clone().toFormat(format).toBuffer()));
    expectForeseen(await run(IMAGES, sources, ofImages));
  });

  it('videos are read or refused for a reason, and the worker’s processes live on', { timeout: WITHIN }, async () => {
    const sources = ['a.mp4', 'a.mkv', 'a.ts'].map((name) =>
      fs.readFileSync(makeVideo(path.join(dir.path, name), { seconds: 1, size: '64x48' })),
    );
    expectForeseen(await run(VIDEOS, sources, ofVideos));
  });
});
