/** Tests search, persons and saved results of jobs: the command line against a platform that has models. */
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import {
  hasMedia,
  hasModels,
  installStandIns,
  mediaFile,
  modelFile,
  projectRoot,
  type TempDir,
  tempDir,
  which,
} from '@cl-server/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { endPlatform, PASSWORD, startTestPlatform, type TestPlatform } from '../../server/test/platform/support.js';
import { EXIT } from '../src/index.js';
import { run } from './support/world.js';

const built = fs.existsSync(path.join(projectRoot, 'apps/server/dist/main.js'));
const PICTURES = ['face_obama_1.jpg', 'face_obama_2.jpg', 'face_biden_1.jpg', 'orientation_1.jpg', 'orientation_3.jpg'];

describe.runIf(built && hasMedia() && hasModels())('cl-client, where models are', () => {
  let platform: TestPlatform;
  let home: TempDir;
  let models: TempDir;
  let env: Record<string, string>;
  /** Maps file names to entity ids. */
  const ids = new Map<string, number>();

  const cl = (...args: (string | number)[]) => run(env, args.map(String));
  /** Runs a command that must succeed and returns its data. */
  const got = async <T>(...args: (string | number)[]): Promise<T> => {
    const ran = await cl(...args, '--json');
    expect([args.join(' '), ran.code, ran.err]).toEqual([args.join(' '), EXIT.ok, expect.anything()]);
    return ran.json<T>();
  };
  const idOf = (name: string): number => ids.get(name) ?? expect.fail(`${name} was not uploaded`);

  beforeAll(async () => {
    home = tempDir();
    models = tempDir();
    installStandIns(models.path);
    const detector = 'face_detection_yunet_2026may.onnx';
    fs.copyFileSync(modelFile(detector), path.join(models.path, detector));
    process.env.MODELS_DIR = models.path;
    try {
      platform = await startTestPlatform();
    } finally {
      delete process.env.MODELS_DIR;
    }
    const { auth, store, compute, mqtt } = platform.urls;
    env = { CL_CONFIG_DIR: home.path, AUTH_URL: auth, STORE_URL: store, COMPUTE_URL: compute, MQTT_URL: mqtt };
    expect((await cl('login', '-u', 'admin', '-p', PASSWORD)).code).toBe(EXIT.ok);
    const rows = await got<{ file: string; id: number }[]>('store', 'upload', ...PICTURES.map(mediaFile));
    for (const { file, id } of rows) ids.set(file, id);
    for (const id of ids.values())
      expect(await got('entity', 'wait', id, '--timeout', 60)).toMatchObject({ overall_status: 'completed' });
  }, 120_000);
  afterAll(async () => {
    if (platform) await endPlatform(platform);
    home?.remove();
    models?.remove();
  });

  interface Hit {
    readonly entity_id: number;
    readonly score: number;
  }

  it('finds entities similar to an entity and to a picture', async () => {
    const upright = idOf('orientation_1.jpg');
    for (const by of ['clip', 'phash']) {
      const { results } = await got<{ results: Hit[] }>('similar', upright, '--by', by);
      expect(results[0]?.entity_id, by).toBe(idOf('orientation_3.jpg'));
    }
    const { results } = await got<{ results: Hit[] }>('search', '--image', mediaFile('face_obama_1.jpg'), '-l', 1);
    expect(results).toMatchObject([{ entity_id: idOf('face_obama_1.jpg') }]);
    expect((await cl('search', 'a', 'text', '--by', 'dino')).code).toBe(EXIT.usage);
    const text = await cl('search', 'a', 'text');
    expect([text.code, text.err]).toEqual([EXIT.server, expect.stringContaining('cl-server models pull')]);
  });

  it('groups near duplicates', async () => {
    const groups = await got<{ entities: { id: number }[] }[]>('duplicates');
    const pair = [idOf('orientation_1.jpg'), idOf('orientation_3.jpg')].sort();
    expect(groups.map(({ entities }) => entities.map(({ id }) => id).sort())).toEqual([pair]);
  });

  it('shows the state, jobs, faces and vectors of an entity', async () => {
    using dir = tempDir();
    const id = idOf('face_biden_1.jpg');
    expect(await got('entity', 'status', id)).toMatchObject({ face_count: 1 });
    expect((await cl('entity', 'jobs', id, '--quiet')).out.trim().split('\n').length).toBeGreaterThan(3);
    const [face] = await got<{ id: number }[]>('faces', 'list', id);
    const npy = (name: string): string => path.join(dir.path, name);
    await got('entity', 'embedding', id, '--by', 'dino', '-o', npy('dino.npy'));
    await got('faces', 'download-embedding', face?.id ?? 0, '-o', npy('face.npy'));
    for (const file of ['dino.npy', 'face.npy'])
      expect(fs.readFileSync(npy(file)).subarray(1, 6).toString(), file).toBe('NUMPY');
    const { results } = await got<{ results: unknown[] }>('faces', 'similar', face?.id ?? 0);
    expect(results).toHaveLength(2);
    expect((await cl('entity', 'wait', 9999, '--timeout', 1)).code).not.toBe(EXIT.ok);
  });

  it('names, merges and splits persons, and undoes it', async () => {
    interface Person {
      readonly id: number;
      readonly name: string | null;
      readonly face_count: number;
    }
    const people = () => got<Person[]>('persons', 'list');
    const faceOf = async (name: string) =>
      (await got<{ id: number; known_person_id: number }[]>('faces', 'list', idOf(name)))[0] ?? expect.fail(name);
    const obama = await faceOf('face_obama_1.jpg');
    const biden = await faceOf('face_biden_1.jpg');
    const person = obama.known_person_id;
    expect(await got('persons', 'rename', person, 'Barack')).toMatchObject({ name: 'Barack' });
    if (biden.known_person_id !== person) await got('persons', 'merge', person, biden.known_person_id);
    const faces = await got<{ id: number }[]>('persons', 'faces', person);
    expect(faces.map(({ id }) => id)).toContain(biden.id);
    const joe = await got<Person>('persons', 'split', person, biden.id, '--name', 'Joe');
    expect(joe).toMatchObject({ name: 'Joe', face_count: 1 });
    await got('faces', 'move', obama.id, joe.id);
    expect(await got('persons', 'get', joe.id)).toMatchObject({ face_count: 2 });
    const [last] = await got<{ id: number }[]>('persons', 'decisions', '--limit', 1);
    expect(await got('persons', 'undo', last?.id ?? 0)).toMatchObject({ undone: true });
    expect(await got('persons', 'get', joe.id)).toMatchObject({ face_count: 1 });
    expect(await got('persons', 'get', 'joe')).toMatchObject({ id: joe.id });
    expect((await cl('faces', 'list', idOf('face_biden_1.jpg'))).out).toContain('\tJoe\t');
    expect((await cl('persons', 'get', 'Nobody')).err).toContain('There is no person Nobody');
    await got('persons', 'hide', 'Joe');
    expect((await people()).map(({ id }) => id)).not.toContain(joe.id);
    await got('persons', 'hide', joe.id, '--show');
    expect((await people()).map(({ id }) => id)).toContain(joe.id);
    expect((await cl('persons', 'merge', person, person)).code).toBe(EXIT.badInput);
  });

  it('saves the faces of each picture in its own folder', async () => {
    using dir = tempDir();
    const names = ['face_obama_1.jpg', 'orientation_1.jpg'];
    const ran = await cl('face-detection', 'detect', ...names.map(mediaFile), '--output-dir', dir.path);
    expect(ran.code).toBe(EXIT.ok);
    expect(fs.readdirSync(path.join(dir.path, 'face_obama_1')).sort()).toEqual(['face_0.png', 'faces.json']);
    expect(fs.readdirSync(path.join(dir.path, 'orientation_1'))).toEqual(['faces.json']);
    const detected = path.join(dir.path, 'vectors');
    await got('face-embedding', 'embed', mediaFile('face_obama_1.jpg'), '--detect', '--output', detected);
    expect(fs.readdirSync(detected).sort()).toEqual(['face_0.npy', 'face_0.png', 'faces.json']);
  });

  it('saves a complete stream that can be played from the disk', async () => {
    using dir = tempDir();
    const folder = path.join(dir.path, 'stream');
    const video = mediaFile('video_plot.mp4');
    await got('hls-streaming', 'generate-manifest', video, '--variants', '144:150', '-o', folder);
    const probe = spawnSync(
      which('ffprobe') ?? 'ffprobe',
      ['-v', 'error', '-show_entries', 'format=duration', '-of', 'csv=p=0', path.join(folder, 'adaptive.m3u8')],
      { encoding: 'utf8' },
    );
    expect(probe.stderr).toBe('');
    expect(Number(probe.stdout)).toBeGreaterThan(25);
  }, 60_000);

  it('uploads a large file in pieces, and continues after an interruption', async () => {
    using dir = tempDir();
    const file = path.join(dir.path, 'large.bin');
    const content = randomBytes(20_000_000);
    fs.writeFileSync(file, content);
    const { ClServer, JWTAuthProvider } = await import('@cl-server/client');
    const token = (await cl('token')).out.trim();
    const sdk = new ClServer({ urls: platform.urls, auth: new JWTAuthProvider(token) });
    const stop = new AbortController();
    let uploadUrl = '';
    const cut = sdk.store.entities.uploadResumable(file, {
      chunkSize: 4_000_000,
      signal: stop.signal,
      onUploadUrl: (url) => {
        uploadUrl = url;
      },
      onProgress: ({ loaded }) => loaded >= 8_000_000 && stop.abort(new Error('cut')),
    });
    await expect(cut).rejects.toThrow('cut');
    const seen: number[] = [];
    const rest = await sdk.store.entities.uploadResumable(file, {
      chunkSize: 4_000_000,
      uploadUrl,
      onProgress: ({ loaded }) => seen.push(loaded),
    });
    expect(rest.created).toBe(true);
    expect(Math.min(...seen)).toBeGreaterThanOrEqual(8_000_000);
    const copy = path.join(dir.path, 'copy.bin');
    await got('store', 'download', rest.entity.id, '-o', copy);
    expect(fs.readFileSync(copy).equals(content)).toBe(true);
    await sdk.close();
    fs.appendFileSync(file, 'more');
    expect(await got('store', 'upload', file, '--chunked-from', 1)).toMatchObject({ file_size: content.length + 4 });
    expect(fs.readFileSync(path.join(home.path, 'uploads.json'), 'utf8').trim()).toBe('{}');
  });
});
