/** The work of the task `face_embedding`, for aligned crops and for whole photos. */
import type { faceEmbeddingTask, ImagePreprocessing } from '@cl-server/contract';
import { sharp } from '@cl-server/media';
import { encodeNpy } from '@cl-server/models';
import type { TaskContext, TaskModule } from '@cl-server/task-kit';
import type { z } from 'zod';
import { CROP } from '../faces/align.js';
import { findFaces, saveCrop } from '../faces/find.js';
import { sharpness } from '../faces/quality.js';
import { checkedVector, embedPictures, imageRules } from '../vision/embed.js';
import type { LoadedModel } from '../vision/load-model.js';
import { modelPixels, openPyramid } from '../vision/pixels.js';
import { ServingModel } from '../vision/serving-model.js';

type Contract = typeof faceEmbeddingTask;
type Params = z.output<Contract['form']>;
type Output = z.input<Contract['output']>;
type Context = TaskContext<Params>;

/** Embeds aligned crops as face_detection makes them. */
async function embedCrops(model: LoadedModel, contexts: readonly Context[]): Promise<PromiseSettledResult<Output>[]> {
  const prepared = await Promise.allSettled(
    contexts.map((context) => modelPixels(context, imageRules(model.manifest))),
  );
  const good = prepared.flatMap((result) => (result.status === 'fulfilled' ? [result.value.pixels] : []));
  const vectors = good.length > 0 ? await embedPictures(model, good) : [];
  let next = 0;
  return Promise.allSettled(
    contexts.map(async ({ params, files, progress }, index) => {
      const result = prepared[index];
      if (result?.status !== 'fulfilled') throw result?.reason;
      const vector = checkedVector(vectors[next++] ?? new Float32Array(), params.normalize);
      await files.write(params.output_path, encodeNpy(vector));
      progress(100);
      return {
        embedding_dim: vector.length,
        normalized: params.normalize,
        quality_score: sharpness(result.value.pixels, imageRules(model.manifest).width),
        picture_error: result.value.damage,
        ...model.stamp,
      };
    }),
  );
}

/** Resizes an aligned crop to the size that a model takes; most take it unchanged. */
async function sized(crop: Uint8Array, { width, height }: ImagePreprocessing): Promise<Uint8Array> {
  if (width === CROP && height === CROP) return crop;
  const picture = sharp(crop, { raw: { width: CROP, height: CROP, channels: 3 } });
  return picture.resize({ width, height, fit: 'fill', kernel: 'cubic' }).raw().toBuffer();
}

/** Finds, aligns and embeds every face of a photo. */
async function embedPhoto(model: LoadedModel, detector: LoadedModel, context: Context): Promise<Output> {
  const { params, files } = context;
  const picture = await openPyramid(context);
  context.progress(20);
  const found = await findFaces(detector, picture, params, (done, of) => context.progress(20 + (40 * done) / of));
  const aligned = found.flatMap(({ crop, ...face }) => (crop ? [{ ...face, crop }] : []));
  const vectors =
    aligned.length > 0
      ? await embedPictures(
          model,
          await Promise.all(aligned.map(({ crop }) => sized(crop, imageRules(model.manifest)))),
        )
      : [];
  const faces: NonNullable<Output['faces']> = [];
  for (const [index, { crop, ...face }] of aligned.entries()) {
    const vector = checkedVector(vectors[index] ?? new Float32Array(), params.normalize);
    const embeddingPath = `faces/face_${index}.npy`;
    await files.write(embeddingPath, encodeNpy(vector));
    if (index === 0) await files.write(params.output_path, encodeNpy(vector));
    const filePath = await saveCrop(files, index, crop);
    faces.push({ ...face, file_path: filePath, embedding_path: embeddingPath, quality_score: face.quality.score });
  }
  context.progress(100);
  return {
    embedding_dim: model.manifest.dimension ?? vectors[0]?.length ?? 0,
    normalized: params.normalize,
    quality_score: faces[0]?.quality_score ?? null,
    faces,
    num_faces: faces.length,
    picture_error: picture.damage(),
    ...model.stamp,
  };
}

export function faceEmbedding(): TaskModule<Params, Output> {
  const embedder = new ServingModel('face_embedding');
  // Only whole photos need the detector, and a worker that gets only crops never loads it.
  const detector = new ServingModel('face_detection');

  const embedWhole = (model: LoadedModel, context: Context): Promise<Output> =>
    detector.use(context.env, (found) => embedPhoto(model, found, context));

  const embedAll = async (
    model: LoadedModel,
    contexts: readonly Context[],
  ): Promise<readonly PromiseSettledResult<Output>[]> => {
    const crops = contexts.filter(({ params }) => !params.detect);
    const photos = contexts.filter(({ params }) => params.detect);
    const [ofCrops, ofPhotos] = await Promise.all([
      embedCrops(model, crops),
      Promise.allSettled(photos.map((context) => embedWhole(model, context))),
    ]);
    const done = new Map<Context, PromiseSettledResult<Output>>();
    for (const [index, context] of crops.entries()) done.set(context, ofCrops[index] as PromiseSettledResult<Output>);
    for (const [index, context] of photos.entries()) done.set(context, ofPhotos[index] as PromiseSettledResult<Output>);
    return contexts.map((context) => done.get(context) as PromiseSettledResult<Output>);
  };

  return {
    setup: (env) => embedder.load(env),
    run: (context) =>
      embedder.use(context.env, async (model) => {
        const [result] = await embedAll(model, [context]);
        if (result?.status !== 'fulfilled') throw result?.reason;
        return result.value;
      }),
    runBatch: async (contexts) => {
      const [first] = contexts;
      return first ? embedder.use(first.env, (model) => embedAll(model, contexts)) : [];
    },
    teardown: async () => {
      await Promise.all([embedder.release(), detector.release()]);
    },
  };
}
