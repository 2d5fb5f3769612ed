/** Model tasks through a whole worker, with stand-ins for the models. */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { PRIORITY } from '@cl-server/contract';
import { newJobId } from '@cl-server/jobs';
import { ModelStore } from '@cl-server/models';
import {
  eventually,
  hasMedia,
  hasModels,
  installStandIns,
  makeStandIn,
  mediaFile,
  modelFile,
} from '@cl-server/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type TestPlatform, testPlatform, type WorkerProcess } from './support/platform.js';

const IMPORT = 200;
const DETECTOR = 'face_detection_yunet_2026may.onnx';

describe.runIf(hasMedia() && hasModels())('model tasks', () => {
  let platform: TestPlatform;
  let worker: WorkerProcess;
  let modelsDir: string;
  let photo: Buffer;

  beforeAll(async () => {
    platform = await testPlatform({ plugins: [], reconciles: true });
    modelsDir = path.join(platform.dataDir, 'models');
    installStandIns(modelsDir);
    fs.copyFileSync(modelFile('clip-tokenizer/tokenizer.json'), path.join(modelsDir, 'tokenizer.json'));
    fs.copyFileSync(modelFile(DETECTOR), path.join(modelsDir, DETECTOR));
    photo = fs.readFileSync(mediaFile('exif_canon_40d.jpg'));
    worker = platform.start({
      args: ['--concurrency', '2'],
      env: {
        WORKER_SUPPORTED_TASKS: 'clip_embedding,clip_text_embedding,face_detection',
        MODELS_DOWNLOAD: 'never',
        WORKER_LEASE_SECONDS: '10',
      },
    });
    await worker.ready;
  });
  afterAll(() => platform.close());

  const addPictures = async (task_type: string, params: object, pictures: readonly Buffer[]): Promise<string[]> => {
    const jobs = await Promise.all(
      pictures.map(async (picture) => {
        const job_id = newJobId();
        const folder = path.join(platform.dataDir, 'compute', job_id, 'input');
        await fs.promises.mkdir(folder, { recursive: true });
        await fs.promises.writeFile(path.join(folder, 'a.jpg'), picture);
        return { job_id, task_type, params: { ...params, input_path: 'input/a.jpg' }, max_retries: 0 };
      }),
    );
    await platform.jobs.repository.addJobs(jobs);
    return jobs.map(({ job_id }) => job_id);
  };
  const clipJobs = (count: number): Promise<string[]> =>
    addPictures(
      'clip_embedding',
      { normalize: true, output_path: 'output/clip_embedding.npy' },
      Array<Buffer>(count).fill(photo),
    );
  const modelOf = async (id: string) => {
    const { status, error_message, task_output } = await platform.ended(id);
    return [status, error_message ?? (task_output as { model_id: string }).model_id];
  };

  it('answer a text in the middle of an import of many pictures', async () => {
    const ids = await clipJobs(IMPORT);
    await eventually(async () => (await platform.job(ids[0] ?? '')).status === 'completed', { within: 20_000 });
    const params = { text: 'a red car', normalize: true, output_path: 'output/text.npy' };
    const text = await platform.add('clip_text_embedding', params, { priority: PRIORITY.interactive });
    const answered = await platform.ended(text);
    expect(answered).toMatchObject({ status: 'completed', task_output: { model_id: 'stand-in-clip-text' } });
    const jobs = await Promise.all(ids.map((id) => platform.ended(id, 60_000)));
    expect(jobs.filter(({ status }) => status === 'completed')).toHaveLength(IMPORT);
    const later = jobs.filter(({ completed_at }) => (completed_at ?? 0) > (answered.completed_at ?? 0));
    expect(later.length).toBeGreaterThan(IMPORT / 2);
  });

  it('run with another model from the next job on, without a restart', async () => {
    const [before = ''] = await clipJobs(1);
    expect(await modelOf(before)).toEqual(['completed', 'stand-in-clip-image']);
    const { file, manifest } = makeStandIn(path.join(modelsDir, 'other'), 'clip_image', { failsInTheDark: true });
    await new ModelStore({ dir: modelsDir }).use('clip_image', file, manifest);
    for (const id of await clipJobs(10)) expect(await modelOf(id)).toEqual(['completed', 'stand-in-clip-image-dark']);
  });

  it('are withdrawn when their model is gone, and come back with it', async () => {
    await new ModelStore({ dir: modelsDir }).useKnown('clip_image');
    const [lost = ''] = await clipJobs(1);
    expect(await platform.ended(lost)).toMatchObject({
      status: 'failed',
      error_code: 'model_missing',
      error_message: expect.stringContaining('vision_model.onnx'),
    });
    const { file, manifest } = makeStandIn(path.join(modelsDir, 'again'), 'clip_image');
    await new ModelStore({ dir: modelsDir }).use('clip_image', file, manifest);
    await eventually(async () => {
      const [id = ''] = await clipJobs(1);
      return (await modelOf(id))[0] === 'completed';
    });
  });

  it('fail at once where their model is damaged, saying so', async () => {
    const { file, manifest } = makeStandIn(path.join(modelsDir, 'cut'), 'clip_image');
    await new ModelStore({ dir: modelsDir }).use('clip_image', file, { ...manifest, version: 'cut' });
    // The model looks damaged before its hash was taken.
    const whole = fs.readFileSync(file);
    const cut = whole.subarray(0, whole.length / 2);
    fs.writeFileSync(file, cut);
    const choices = path.join(modelsDir, 'models.json');
    const said = JSON.parse(fs.readFileSync(choices, 'utf8'));
    const sha256 = createHash('sha256').update(cut).digest('hex');
    Object.assign(said.roles.clip_image.manifest, { sha256, size: cut.length });
    fs.writeFileSync(choices, JSON.stringify(said));
    const [lost = ''] = await clipJobs(1);
    expect(await platform.ended(lost)).toMatchObject({
      status: 'failed',
      error_code: 'model_unusable',
      error_message: expect.stringContaining('the model is unusable'),
      retry_count: 0,
    });
    const again = makeStandIn(path.join(modelsDir, 'again'), 'clip_image');
    await new ModelStore({ dir: modelsDir }).use('clip_image', again.file, again.manifest);
    await eventually(async () => {
      const [id = ''] = await clipJobs(1);
      return (await modelOf(id))[0] === 'completed';
    });
  });

  it('find exactly one face in each portrait, and none where there is none', async () => {
    const portraits = fs.readdirSync(path.dirname(mediaFile('x'))).filter((name) => name.startsWith('face_'));
    const others = [
      'cat.png',
      'coffee.png',
      'rocket.jpg',
      ...Array.from({ length: 8 }, (_, n) => `orientation_${n + 1}.jpg`),
    ];
    const names = [...portraits, ...others];
    const ids = await addPictures(
      'face_detection',
      { confidence_threshold: 0.7, nms_threshold: 0.4, min_face_size: 20, output_path: 'output/face_detection.json' },
      names.map((name) => fs.readFileSync(mediaFile(name))),
    );
    const found = await Promise.all(
      ids.map(async (id) => (await platform.ended(id, 60_000)).task_output as { num_faces: number } | null),
    );
    expect(Object.fromEntries(names.map((name, index) => [name, found[index]?.num_faces]))).toEqual(
      Object.fromEntries(names.map((name) => [name, name.startsWith('face_') ? 1 : 0])),
    );
  });

  it('leave a job waiting that another worker can run, and fail what none can', async () => {
    const models = new ModelStore({ dir: modelsDir });
    await models.useKnown('clip_image');
    await models.useKnown('clip_text');
    await platform.jobs.workers.announce('another', {
      capabilities: ['clip_embedding'],
      unavailable: {},
      idle_count: 1,
    });
    const [waiting = ''] = await clipJobs(1);
    const params = { text: 'a red car', normalize: true, output_path: 'output/text.npy' };
    // The process that failed the second job has looked at the waiting one at least once.
    for (let n = 0; n < 2; n++) {
      const text = await platform.add('clip_text_embedding', params);
      expect(await platform.ended(text)).toMatchObject({ status: 'failed', error_code: 'model_missing' });
    }
    expect((await platform.job(waiting)).status).toBe('queued');
    await platform.jobs.workers.withdraw('another');
    expect(await platform.ended(waiting)).toMatchObject({ status: 'failed', error_code: 'model_missing' });
  });
});
