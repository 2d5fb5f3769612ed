/** Computes vectors of pictures, many in one tensor if the model allows it. */
import type { ImagePreprocessing, ModelManifest } from '@cl-server/contract';
import { assertFinite, floatTensor, imageShape, normalized, writeImage } from '@cl-server/models';
import { TaskError } from '@cl-server/task-kit';
import type { LoadedModel } from './load-model.js';

export function imageRules(manifest: ModelManifest): ImagePreprocessing {
  if (manifest.preprocessing?.kind !== 'image') throw new Error(`model ${manifest.id} does not take pictures`);
  return manifest.preprocessing;
}

/** Maximum number of pictures in one tensor: a crowd has hundreds of faces, and larger batches are not faster. */
const MAX_BATCH_SIZE = 16;

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
 * Embeds pictures.
 * @param pictures RGB in exactly the model's size, from `modelPixels`
 * @returns the vector of each picture, unchanged
 */
export async function embedPictures(model: LoadedModel, pictures: readonly Uint8Array[]): Promise<Float32Array[]> {
  const batchSize = model.manifest.batch ? MAX_BATCH_SIZE : 1;
  const vectors: Float32Array[] = [];
  for (let from = 0; from < pictures.length; from += batchSize)
    vectors.push(...(await embedTensor(model, pictures.slice(from, from + batchSize))));
  return vectors;
}

/** @throws TaskError if the model returned values that are not numbers */
export function assertNumbers(values: Float32Array): void {
  try {
    assertFinite(values);
  } catch (error) {
    throw new TaskError('task_failed', `The result contains values that are not numbers: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

/** The vector in the form in which it is stored. @throws TaskError */
export function checkedVector(vector: Float32Array, normalize: boolean): Float32Array {
  if (vector.length === 0) throw new TaskError('task_failed', 'The model returned an empty vector');
  assertNumbers(vector);
  return normalize ? normalized(vector) : vector;
}
