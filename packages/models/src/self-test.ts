/**
 * What a worker asks of a model before it announces the task: the tensors that the manifest names, a vector of the right
 * length, finite, not zero, the same twice; and the measured sum where the manifest has one.
 */
import type { ModelManifest } from '@cl-server/contract';
import { type Feeds, type FloatTensors, floatTensor, type ModelSession } from './session.js';
import { imageShape, textFeeds, writeImage } from './tensor.js';
import { assertFinite, norm } from './vector.js';

export class SelfTestFailed extends Error {
  override readonly name = 'SelfTestFailed';
}

const YUNET_SIDE = 64;
/** In every vocabulary. */
const SOME_TOKENS = [320, 1125, 539, 320, 2368];

/** A picture with gradients in both directions, the same everywhere. */
export function pattern(width: number, height: number): Uint8Array {
  const pixels = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      pixels.set([(x * 5) & 255, (y * 3) & 255, ((x ^ y) * 7) & 255], (y * width + x) * 3);
  return pixels;
}

function feedsFor(manifest: ModelManifest, inputs: readonly string[], input: string): Feeds {
  const { preprocessing } = manifest;
  if (preprocessing?.kind === 'image') {
    const data = new Float32Array(preprocessing.width * preprocessing.height * 3);
    writeImage(pattern(preprocessing.width, preprocessing.height), preprocessing, data, 0);
    return { [input]: floatTensor(data, imageShape(preprocessing, 1)) };
  }
  if (preprocessing?.kind === 'text') {
    const { pad, pad_with: filler, max_tokens: max, type } = preprocessing;
    const ids = [...SOME_TOKENS, filler];
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

function check(manifest: ModelManifest, results: FloatTensors, output: string): void {
  for (const { data } of Object.values(results)) assertFinite(data);
  const vector = results[output];
  if (!vector) throw new Error(`it gave no output ${output}`);
  if (manifest.dimension !== undefined && vector.data.length !== manifest.dimension)
    throw new Error(`it gives ${vector.data.length} numbers where ${manifest.dimension} are due`);
  if (manifest.dimension !== undefined && !(norm(vector.data) > 0)) throw new Error('it gives a zero vector');
  if (manifest.golden) {
    const { output: name, sum, tolerance } = manifest.golden;
    const measured = results[name]?.data.reduce((total, value) => total + value, 0) ?? Number.NaN;
    if (!(Math.abs(measured - sum) <= tolerance))
      throw new Error(`output ${name} sums to ${measured}, not to the measured ${sum}`);
  }
}

/** @throws SelfTestFailed with the reason */
export async function selfTest(manifest: ModelManifest, session: ModelSession): Promise<void> {
  try {
    const { inputs, outputs } = await session.names();
    const input = manifest.input ?? inputs[0] ?? '';
    const output = manifest.output ?? outputs[0] ?? '';
    if (!inputs.includes(input)) throw new Error(`it has no input ${input}; it has ${inputs.join(', ')}`);
    if (!outputs.includes(output)) throw new Error(`it has no output ${output}; it has ${outputs.join(', ')}`);
    const first = await session.run(feedsFor(manifest, inputs, input));
    const second = await session.run(feedsFor(manifest, inputs, input));
    check(manifest, first, output);
    const a = first[output]?.data ?? new Float32Array();
    const b = second[output]?.data ?? new Float32Array();
    if (a.some((value, index) => Math.abs(value - (b[index] ?? 0)) > 1e-4 * (1 + Math.abs(value))))
      throw new Error('it gives different results for the same picture');
  } catch (error) {
    throw new SelfTestFailed(`model ${manifest.id} failed its self-test: ${(error as Error).message}`, {
      cause: error,
    });
  }
}
