import fs from 'node:fs';
import path from 'node:path';
import { detectedFace } from '@cl-server/contract';
import { sharp } from '@cl-server/media';
import { cosine, decodeNpy, ModelStore } from '@cl-server/models';
import { runTask } from '@cl-server/task-kit/testing';
import { hasMedia, hasModels, mediaFile, modelFile, SMALL_FACE_MODEL, type TempDir, tempDir } from '@cl-server/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import detection from '../../src/face_detection/task.js';
import embedding from '../../src/face_embedding/task.js';
import { similarity, warp } from '../../src/faces/align.js';
import { passSides } from '../../src/faces/detector.js';
import { findFaces } from '../../src/faces/find.js';
import { suppress } from '../../src/faces/yunet.js';
import type { LoadedModel } from '../../src/vision/load-model.js';

const FACES = ['face_obama_1.jpg', 'face_obama_2.jpg', 'face_biden_1.jpg', 'face_astronaut.png'];
const NO_FACES = [
  'cat.png',
  'coffee.png',
  'rocket.jpg',
  ...[1, 2, 3, 4, 5, 6, 7, 8].map((n) => `orientation_${n}.jpg`),
];

let dir: TempDir;
const env = () => ({ modelsDir: dir.path, settings: { MODELS_DOWNLOAD: 'never' }, threads: 2 });

beforeAll(async () => {
  dir = tempDir();
  if (!hasModels()) return;
  fs.copyFileSync(
    modelFile('face_detection_yunet_2026may.onnx'),
    path.join(dir.path, 'face_detection_yunet_2026may.onnx'),
  );
  await new ModelStore({ dir: dir.path }).use('face_embedding', modelFile('mobilefacenet.onnx'), SMALL_FACE_MODEL);
});
afterAll(() => dir.remove());

const detect = (file: string | { name: string; content: Uint8Array }, params = {}) =>
  runTask(detection, { file, params, env: env() });

describe.runIf(hasMedia() && hasModels())('face_detection', () => {
  it.each(FACES)('finds exactly one face in %s, landmarks in place, crop upright', async (name) => {
    using run = await detect(mediaFile(name));
    expect(run.output.num_faces).toBe(1);
    const [face] = run.output.faces;
    if (!face) throw new Error('unreachable');
    const { right_eye, left_eye, nose_tip, mouth_right, mouth_left } = face.landmarks;
    expect(right_eye[0]).toBeLessThan(left_eye[0]);
    expect(mouth_right[0]).toBeLessThan(mouth_left[0]);
    expect(Math.max(right_eye[1], left_eye[1])).toBeLessThan(nose_tip[1]);
    expect(nose_tip[1]).toBeLessThan(Math.min(mouth_right[1], mouth_left[1]));
    expect(face.quality.score).toBeGreaterThan(0.3);
    const crop = await sharp(run.read(face.file_path)).metadata();
    expect([face.file_path, crop.format, crop.width, crop.height]).toEqual(['faces/face_0.png', 'png', 112, 112]);
    expect(JSON.parse(run.read('output/face_detection.json').toString())).toEqual(run.output);
  });

  it('rates a blurred, a small and a turned face below a good one', async () => {
    const qualityOf = async (content: Buffer) => {
      using run = await detect({ name: 'face.jpg', content });
      const { quality } = run.output.faces[0] ?? {};
      if (!quality) throw new Error('no face was found');
      return quality;
    };
    const photo = () => sharp(mediaFile('face_obama_2.jpg')).autoOrient();
    const { width = 0 } = await sharp(mediaFile('face_obama_2.jpg')).metadata();
    const good = await qualityOf(await photo().png().toBuffer());
    const blurred = await qualityOf(await photo().blur(6).png().toBuffer());
    const small = await qualityOf(
      await photo()
        .resize(Math.round((width * 50) / good.size))
        .png()
        .toBuffer(),
    );
    const mirrored = await qualityOf(await photo().flop().png().toBuffer());
    expect(blurred.sharpness).toBeLessThan(good.sharpness / 2);
    expect(small.size).toBeLessThan(60);
    expect(blurred.score).toBeLessThan(good.score - 0.1);
    expect(small.score).toBeLessThan(good.score - 0.1);
    expect(Math.abs(good.yaw)).toBeGreaterThan(5);
    expect(Math.sign(mirrored.yaw)).toBe(-Math.sign(good.yaw));
    expect(Math.sign(mirrored.roll)).toBe(-Math.sign(good.roll));
  });

  it.each(NO_FACES)('finds none in %s', async (name) => {
    using run = await detect(mediaFile(name));
    expect(run.output).toMatchObject({ faces: [], num_faces: 0 });
  });

  it('finds a face of 20 pixels in a picture of 12 megapixels, and one that fills it', async () => {
    const [{ width, height }, seen] = await Promise.all([
      sharp(mediaFile('face_obama_1.jpg')).metadata(),
      detect(mediaFile('face_obama_1.jpg')),
    ]);
    using run = seen;
    const { x1, y1, x2, y2 } = run.output.faces[0]?.bbox ?? { x1: 0, y1: 0, x2: 1, y2: 1 };
    const shorter = Math.min((x2 - x1) * width, (y2 - y1) * height);
    const small = await sharp(mediaFile('face_obama_1.jpg'))
      .resize(Math.round((width * 20) / shorter))
      .png()
      .toBuffer();
    const wide = await sharp(mediaFile('rocket.jpg'))
      .resize(4000, 3000, { fit: 'fill' })
      .composite([{ input: small, left: 2500, top: 1500 }])
      .jpeg({ quality: 92 })
      .toBuffer();
    using far = await detect({ name: 'wide.jpg', content: wide });
    expect(far.output.num_faces).toBe(1);
    const close = await sharp(mediaFile('face_obama_1.jpg'))
      .extract({
        left: Math.round(x1 * width),
        top: Math.round(y1 * height),
        width: Math.round((x2 - x1) * width),
        height: Math.round((y2 - y1) * height),
      })
      .resize(3000, 4000, { fit: 'cover' })
      .jpeg()
      .toBuffer();
    using near = await detect({ name: 'close.jpg', content: close });
    expect(near.output.num_faces).toBe(1);
  });

  it('keeps all coordinates within the picture if its edge cuts a face', async () => {
    using whole = await detect(mediaFile('face_obama_1.jpg'));
    const { width, height } = await sharp(mediaFile('face_obama_1.jpg')).metadata();
    const nose = whole.output.faces[0]?.landmarks.nose_tip ?? [0.5, 0.5];
    const half = await sharp(mediaFile('face_obama_1.jpg'))
      .extract({ left: Math.round((nose[0] - 0.02) * width), top: 0, width: Math.round(width * 0.4), height })
      .png()
      .toBuffer();
    using run = await detect({ name: 'half.png', content: half }, { confidence_threshold: 0.2 });
    const values = run.output.faces.flatMap(({ bbox, landmarks }) => [
      ...Object.values(bbox),
      ...Object.values(landmarks).flat(),
    ]);
    expect(values).toContain(0); // points outside are moved to the edge
    for (const value of values) {
      expect(value).toBeGreaterThanOrEqual(0);
      expect(value).toBeLessThanOrEqual(1);
    }
  });

  it('finds the face in the readable part of a damaged photo, and reports the damage', async () => {
    const whole = fs.readFileSync(mediaFile('face_obama_1.jpg'));
    const content = whole.subarray(0, whole.length * 0.8);
    using run = await detect({ name: 'half.jpg', content });
    expect(run.output).toMatchObject({ num_faces: 1, picture_error: expect.stringMatching(/^The picture is damaged/) });
  });

  it.each([90, 270])(
    'finds faces of photos that are rotated by %i degrees, in coordinates of the file',
    async (turn) => {
      for (const name of ['face_obama_1.jpg', 'face_astronaut.png']) {
        using upright = await detect(mediaFile(name));
        const content = await sharp(mediaFile(name)).rotate(turn).jpeg({ quality: 95 }).toBuffer();
        using run = await detect({ name: 'turned.jpg', content });
        expect(run.output.num_faces, name).toBe(1);
        const [before, found] = [upright.output.faces[0], run.output.faces[0]];
        if (!before || !found) throw new Error('unreachable');
        expect(found.doubtful).toBe(false);
        const back = ([x, y]: readonly [number, number]): [number, number] => (turn === 90 ? [y, 1 - x] : [1 - y, x]);
        for (const point of ['right_eye', 'left_eye', 'nose_tip', 'mouth_right', 'mouth_left'] as const) {
          const [x, y] = back(found.landmarks[point]);
          expect(Math.abs(x - before.landmarks[point][0]), point).toBeLessThan(0.03);
          expect(Math.abs(y - before.landmarks[point][1]), point).toBeLessThan(0.03);
        }
        const { x1, x2, y1, y2 } = found.bbox;
        expect(found.landmarks.nose_tip[0] > x1 && found.landmarks.nose_tip[0] < x2).toBe(true);
        expect(found.landmarks.nose_tip[1] > y1 && found.landmarks.nose_tip[1] < y2).toBe(true);
      }
    },
  );

  it.each([90, 270])('finds no faces in pictures without faces that are rotated by %i degrees', async (turn) => {
    for (const name of ['cat.png', 'coffee.png', 'rocket.jpg', 'orientation_1.jpg']) {
      const content = await sharp(mediaFile(name)).rotate(turn).jpeg().toBuffer();
      using run = await detect({ name: 'turned.jpg', content });
      expect(run.output.num_faces, name).toBe(0);
    }
  });

  it('marks faces that are doubtful', async () => {
    using run = await detect(mediaFile('coffee.png'), { confidence_threshold: 0.5 });
    expect(run.output.faces.length).toBeGreaterThan(0);
    for (const face of run.output.faces) expect(face.doubtful).toBe(true);
  });

  it('applies its thresholds and the minimum size', async () => {
    using strict = await detect(mediaFile('face_obama_1.jpg'), { confidence_threshold: 0.999 });
    expect(strict.output.num_faces).toBe(0);
    using large = await detect(mediaFile('face_obama_1.jpg'), { min_face_size: 2000 });
    expect(large.output.num_faces).toBe(0);
  });

  it('refuses a 1×1 picture and a video with a reason', async () => {
    const dot = await sharp({ create: { width: 1, height: 1, channels: 3, background: 'red' } })
      .png()
      .toBuffer();
    await expect(detect({ name: 'dot.png', content: dot })).rejects.toMatchObject({ code: 'invalid_input' });
    await expect(detect(mediaFile('video_plot.mp4'))).rejects.toMatchObject({ code: 'unsupported_media' });
  });
});

describe.runIf(hasMedia() && hasModels())('face_embedding', () => {
  it('distinguishes persons, by crops and by whole photos', async () => {
    const vectors = new Map<string, Float32Array>();
    for (const name of FACES) {
      using photo = await runTask(embedding, { file: mediaFile(name), params: { detect: true }, env: env() });
      expect(photo.output).toMatchObject({ num_faces: 1, embedding_dim: 128, model_id: 'mobilefacenet-test' });
      const whole = decodeNpy(photo.read('faces/face_0.npy'));
      using found = await detect(mediaFile(name));
      using crop = await runTask(embedding, {
        file: { name: 'crop.png', content: found.read('faces/face_0.png') },
        env: env(),
      });
      expect(crop.output.quality_score).toBeGreaterThan(0);
      expect(cosine(decodeNpy(crop.read('output/face_embedding.npy')), whole)).toBeGreaterThan(0.999);
      vectors.set(name, whole);
    }
    const all = [...vectors.values()];
    const pair = (a: number, b: number): number => cosine(all[a] as Float32Array, all[b] as Float32Array);
    expect(pair(0, 1)).toBeGreaterThan(0.5);
    for (const [a, b] of [
      [0, 2],
      [0, 3],
      [1, 2],
      [1, 3],
      [2, 3],
    ] as const)
      expect(pair(a, b)).toBeLessThan(0.3);
  });

  it('returns no faces for a photo without faces', async () => {
    using run = await runTask(embedding, { file: mediaFile('cat.png'), params: { detect: true }, env: env() });
    expect(run.output).toMatchObject({ faces: [], num_faces: 0, quality_score: null, embedding_dim: 128 });
  });
});

describe('face geometry', () => {
  // Measured with an independent implementation of the least-squares similarity.
  it.each([
    [
      [
        [310.5, 220.25],
        [395, 214.75],
        [355, 262.5],
        [322, 306],
        [392.5, 301],
      ],
      [0.445702, 0.023666, -96.023445, -52.784287],
    ],
    [
      [
        [200, 100],
        [240, 160],
        [190, 165],
        [150, 140],
        [185, 195],
      ],
      [0.298166, -0.440195, -68.429501, 111.537182],
    ],
  ] as const)('aligns five points as measured (%#)', (points, [a, b, tx, ty]) => {
    const found = similarity(points);
    expect(found?.a).toBeCloseTo(a, 4);
    expect(found?.b).toBeCloseTo(b, 4);
    expect(found?.tx).toBeCloseTo(tx, 3);
    expect(found?.ty).toBeCloseTo(ty, 3);
  });

  it('returns no transform for five equal points instead of failing', () => {
    expect(similarity(Array.from({ length: 5 }, () => [7, 7] as const))).toBeUndefined();
  });

  it('keeps a face that cannot be aligned, without a crop, beside one that can be aligned', async () => {
    const results: Record<string, { data: Float32Array; dims: readonly number[] }> = {};
    for (const stride of [8, 16, 32])
      for (const [name, numbers] of Object.entries({ cls: 1, obj: 1, bbox: 4, kps: 10 })) {
        const cells = (64 / stride) ** 2;
        results[`${name}_${stride}`] = { data: new Float32Array(cells * numbers), dims: [1, cells, numbers] };
      }
    const set = (name: string, at: number, ...values: number[]) => results[`${name}_8`]?.data.set(values, at);
    const [good, bad] = [1 * 8 + 2, 6 * 8 + 6]; // cells of 8 pixels, eight in a row
    for (const cell of [good, bad]) {
      set('cls', cell, 1);
      set('obj', cell, cell === good ? 1 : 0.8);
      set('bbox', cell * 4, 0, 0, Math.log(3), Math.log(3));
    }
    set('kps', good * 10, -1, -1, 1, -1, 0, 0, -0.8, 1, 0.8, 1); // the five points of the bad face are equal
    const pixels = { data: new Uint8Array(64 * 64 * 3).fill(128), width: 64, height: 64 };
    const level = async () => ({ pixels, factor: 1 });
    const picture = { width: 64, height: 64, damage: () => null, level };
    const detector = { input: 'input', session: { run: async () => results } } as unknown as LoadedModel;
    const params = { confidence_threshold: 0.7, nms_threshold: 0.4, min_face_size: 8 };
    const faces = await findFaces(detector, picture, params);
    expect(faces.map(({ crop }) => crop?.length)).toEqual([112 * 112 * 3, undefined]);
    for (const face of faces) expect(detectedFace.safeParse({ ...face, file_path: '' }).success).toBe(true);
  });

  it('interpolates between pixels and leaves the outside black', () => {
    const pixels = { data: new Uint8Array(4 * 4 * 3).fill(200), width: 4, height: 4 };
    const crop = warp(pixels, { a: 1, b: 0, tx: 2, ty: 0 }, 8);
    expect([crop[0], crop[3 * 3], crop[7 * 3]]).toEqual([0, 200, 0]);
  });

  it('searches at sizes that cover all faces and never enlarges', () => {
    expect(passSides(4000, 20)).toEqual([2560, 640, 256]);
    expect(passSides(600, 20)).toEqual([390, 256]);
    expect(passSides(300, 8)).toEqual([300]);
    expect(passSides(40, 20)).toEqual([40]);
  });

  it('keeps the best of overlapping boxes and all separate ones', () => {
    const face = (x: number, score: number, width = 100) => ({ x, y: 0, width, height: 100, score, points: [] });
    expect(
      suppress([face(0, 0.8), face(10, 0.9), face(200, 0.7), face(20, 0.75, 40)], 0.4).map(({ score }) => score),
    ).toEqual([0.9, 0.7]);
  });

  it('keeps both a small face and the large one behind it', () => {
    const box = (x: number, width: number, score: number) => ({ x, y: x, width, height: width, score, points: [] });
    expect(suppress([box(0, 230, 0.9), box(80, 70, 0.95)], 0.4)).toHaveLength(2);
  });
});
