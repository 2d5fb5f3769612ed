/**
 * Tests that a model works before a worker announces its task: it has the tensors that the manifest names; its vector
 * has the right length, is finite, not zero, the same twice, and the same beside another picture if batches are
 * allowed; and the output has the measured sum if the manifest contains one.
 */
import type { ImagePreprocessing, ModelManifest } from '@cl-server/contract';
import { type Feeds, type FloatTensors, floatTensor, type ModelSession } from './session.js';
import { imageShape, textFeeds, writeImage } from './tensor.js';
import { assertFinite, cosine, norm } from './vector.js';

export class SelfTestFailed extends Error {
  override readonly name = 'SelfTestFailed';
}

const YUNET_SIDE = 64;
/** These tokens are in every vocabulary. */
const SOME_TOKENS = [320, 1125, 539, 320, 2368];

/** A picture with gradients in both directions, the same on every machine. */
export function pattern(width: number, height: number): Uint8Array {
  const pixels = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      pixels.set([(x * 5) & 255, (y * 3) & 255, ((x ^ y) * 7) & 255], (y * width + x) * 3);
  return pixels;
}

/** Measured on float32 models; a model that quantizes over its whole batch stays below. */
const MIN_BATCH_SIMILARITY = 0.9999;

export interface TestedModel {
  readonly input: string;
  readonly output: string;
  /** Length of a vector; undefined for a detector. */
  readonly dimension: number | undefined;
}

function imageFeeds(rules: ImagePreprocessing, input: string, pictures: readonly Uint8Array[]): Feeds {
  const data = new Float32Array(pictures.length * rules.width * rules.height * 3);
  for (const [index, picture] of pictures.entries()) writeImage(picture, rules, data, index);
  return { [input]: floatTensor(data, imageShape(rules, pictures.length)) };
}

function feedsFor(manifest: ModelManifest, inputs: readonly string[], input: string): Feeds {
  const { preprocessing } = manifest;
  if (preprocessing?.kind === 'image')
    return imageFeeds(preprocessing, input, [pattern(preprocessing.width, preprocessing.height)]);
  if (preprocessing?.kind === 'text') {
    const { pad, pad_with: filler, max_tokens: max, type } = preprocessing;
    const ids = [...SOME_TOKENS, filler].slice(0, max);
    const length = pad ? max : ids.length;
    const filled = [...ids, ...Array<number>(length - ids.length).fill(filler)];
    return textFeeds(filled, ids.length, type, inputs, input);
  }
  const pixels = pattern(YUNET_SIDE, YUNET_SIDE);
  const data = new Float32Array(3 * YUNET_SIDE * YUNET_SIDE);
  for (const [index, byte] of pixels.entries())
    data[(2 - (index % 3)) * YUNET_SIDE * YUNET_SIDE + Math.floor(index / 3)] = byte;
  return { [input]: floatTensor(data, [1, 3, YUNET_SIDE, YUNET_SIDE]) };
}

/** Checks that the result for a picture does not depend on its neighbour, here its negative. */
async function checkBatch(
  rules: ImagePreprocessing,
  session: ModelSession,
  { input, output }: TestedModel,
  alone: Float32Array,
): Promise<void> {
  const picture = pattern(rules.width, rules.height);
  const cure = 'set "batch: false" in its manifest';
  const results = await session
    .run(imageFeeds(rules, input, [picture, picture.map((byte) => 255 - byte)]), [output])
    .catch((cause: Error) => {
      throw new Error(`it takes one picture at a time: ${cure} (${cause.message.split('\n')[0]})`, { cause });
    });
  const both = results[output]?.data ?? new Float32Array();
  if (both.length !== 2 * alone.length)
    throw new Error(`it gives ${both.length} numbers for two pictures instead of ${2 * alone.length}: ${cure}`);
  if (!(cosine(both.subarray(0, alone.length), alone) >= MIN_BATCH_SIMILARITY))
    throw new Error(`the vector of a picture changes if a second picture is beside it: ${cure}`);
}

/** Length of the one vector in an output of this shape. @throws Error if the output contains several */
function lengthOf(dims: readonly number[], output: string): number {
  const long = dims.filter((dim) => dim !== 1);
  if (long.length > 1)
    throw new Error(
      `its output ${output} has the shape ${dims.join('×')}, which is not a vector: name an output that is a vector, or set the dimension`,
    );
  return long[0] ?? 1;
}

function check(manifest: ModelManifest, results: FloatTensors, output: string): number | undefined {
  for (const { data } of Object.values(results)) assertFinite(data);
  const vector = results[output];
  if (!vector) throw new Error(`it gave no output ${output}`);
  const isVector = (manifest.preprocessing?.kind ?? 'yunet') !== 'yunet';
  const dimension = manifest.dimension ?? (isVector ? lengthOf(vector.dims, output) : undefined);
  if (dimension !== undefined && vector.data.length !== dimension)
    throw new Error(`it gives ${vector.data.length} numbers instead of ${dimension}`);
  if (dimension !== undefined && !(norm(vector.data) > 0)) throw new Error('it gives a zero vector');
  if (manifest.golden) {
    const { output: name, sum, tolerance } = manifest.golden;
    const measured = results[name]?.data.reduce((total, value) => total + value, 0) ?? Number.NaN;
    if (!(Math.abs(measured - sum) <= tolerance))
      throw new Error(`output ${name} sums to ${measured}, not to the measured ${sum}`);
  }
  return dimension;
}

/** @returns the values that the manifest may omit. @throws SelfTestFailed with the reason */
export async function selfTest(manifest: ModelManifest, session: ModelSession): Promise<TestedModel> {
  try {
    const { inputs, outputs } = await session.names();
    const input = manifest.input ?? inputs[0] ?? '';
    const output = manifest.output ?? outputs[0] ?? '';
    if (!inputs.includes(input)) throw new Error(`it has no input ${input}; it has ${inputs.join(', ')}`);
    if (!outputs.includes(output)) throw new Error(`it has no output ${output}; it has ${outputs.join(', ')}`);
    const first = await session.run(feedsFor(manifest, inputs, input));
    const second = await session.run(feedsFor(manifest, inputs, input));
    const tested: TestedModel = { input, output, dimension: check(manifest, first, output) };
    const a = first[output]?.data ?? new Float32Array();
    const b = second[output]?.data ?? new Float32Array();
    if (a.some((value, index) => Math.abs(value - (b[index] ?? 0)) > 1e-4 * (1 + Math.abs(value))))
      throw new Error('it gives different results for the same picture');
    if (manifest.batch && manifest.preprocessing?.kind === 'image')
      await checkBatch(manifest.preprocessing, session, tested, a);
    return tested;
  } catch (error) {
    throw new SelfTestFailed(`model ${manifest.id} failed its self-test: ${(error as Error).message}`, {
      cause: error,
    });
  }
}
