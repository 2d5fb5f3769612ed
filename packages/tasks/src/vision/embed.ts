/** Vectors of pictures, many in one tensor where the model allows it. */
import type { ImagePreprocessing, ModelManifest } from '@cl-server/contract';
import { assertFinite, floatTensor, imageShape, normalized, writeImage } from '@cl-server/models';
import { TaskError } from '@cl-server/task-kit';
import type { LoadedModel } from './load-model.js';

export function imageRules(manifest: ModelManifest): ImagePreprocessing {
  if (manifest.preprocessing?.kind !== 'image') throw new Error(`model ${manifest.id} does not take pictures`);
  return manifest.preprocessing;
}

/** Pictures in one tensor: a crowd has hundreds of faces, and more than this gain nothing. */
const MOST_TOGETHER = 16;

async function embedTensor(model: LoadedModel, pictures: readonly Uint8Array[]): Promise<Float32Array[]> {
  const rules = imageRules(model.manifest);
  const data = new Float32Array(pictures.length * rules.width * rules.height * 3);
  for (const [index, pixels] of pictures.entries()) writeImage(pixels, rules, data, index);
  const results = await model.session.run({ [model.input]: floatTensor(data, imageShape(rules, pictures.length)) }, [
    model.output,
  ]);
  const vectors = results[model.output]?.data ?? new Float32Array();
  const dimension = vectors.length / pictures.length;
  return pictures.map((_, index) => vectors.slice(index * dimension, (index + 1) * dimension));
}

/**
 * @param pictures RGB of exactly the model's size, as `modelPixels` gives them
 * @returns one vector each, as the model gave it
 */
export async function embedPictures(model: LoadedModel, pictures: readonly Uint8Array[]): Promise<Float32Array[]> {
  const together = model.manifest.batch ? MOST_TOGETHER : 1;
  const vectors: Float32Array[] = [];
  for (let from = 0; from < pictures.length; from += together)
    vectors.push(...(await embedTensor(model, pictures.slice(from, from + together))));
  return vectors;
}

/** @throws TaskError where the model gave something that is not a number */
export function assertNumbers(values: Float32Array): void {
  try {
    assertFinite(values);
  } catch (error) {
    throw new TaskError('task_failed', `The result is not made of numbers: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

/** A vector fit to be kept. @throws TaskError */
export function finished(vector: Float32Array, normalize: boolean): Float32Array {
  if (vector.length === 0) throw new TaskError('task_failed', 'The model gave an empty vector');
  assertNumbers(vector);
  return normalize ? normalized(vector) : vector;
}
