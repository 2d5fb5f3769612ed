/**
 * Makes tiny models with the tensors of the real ones. Their vectors are not random: they are pooled colours and
 * gradients of the picture, rotated by a fixed random matrix, so that similar pictures get similar vectors and tests
 * can check rankings.
 */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import onnxProto from 'onnx-proto';

const { onnx } = onnxProto;
const { DataType } = onnx.TensorProto;
type Node = InstanceType<typeof onnx.NodeProto>;
type Tensor = InstanceType<typeof onnx.TensorProto>;

/** Uniform numbers from −1 to 1, the same everywhere (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return (((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * 2 - 1;
  };
}

const floats = (name: string, dims: number[], values: Iterable<number>): Tensor =>
  onnx.TensorProto.create({
    name,
    dims,
    dataType: DataType.FLOAT,
    rawData: new Uint8Array(Float32Array.from(values).buffer),
  });

const ints = (name: string, dims: number[], values: readonly number[]): Tensor =>
  onnx.TensorProto.create({
    name,
    dims,
    dataType: DataType.INT64,
    rawData: new Uint8Array(BigInt64Array.from(values, BigInt).buffer),
  });

const intAttributes = (values: Record<string, number | number[]>) =>
  Object.entries(values).map(([name, value]) =>
    Array.isArray(value)
      ? onnx.AttributeProto.create({ name, type: onnx.AttributeProto.AttributeType.INTS, ints: value })
      : onnx.AttributeProto.create({ name, type: onnx.AttributeProto.AttributeType.INT, i: value }),
  );

const node = (
  opType: string,
  input: string[],
  output: string,
  attributes: Record<string, number | number[]> = {},
): Node => onnx.NodeProto.create({ opType, input, output: [output], attribute: intAttributes(attributes) });

type Dim = number | string;

const valueInfo = (name: string, elemType: number, dims: readonly Dim[]) =>
  onnx.ValueInfoProto.create({
    name,
    type: {
      tensorType: {
        elemType,
        shape: { dim: dims.map((dim) => (typeof dim === 'number' ? { dimValue: dim } : { dimParam: dim })) },
      },
    },
  });

interface Graph {
  readonly input: { readonly name: string; readonly type: number; readonly dims: readonly Dim[] };
  readonly output: { readonly name: string; readonly dims: readonly Dim[] };
  readonly nodes: Node[];
  readonly constants: Tensor[];
}

const modelBytes = ({ input, output, nodes, constants }: Graph): Uint8Array =>
  onnx.ModelProto.encode(
    onnx.ModelProto.create({
      irVersion: 8,
      producerName: 'cl-server-stand-in',
      opsetImport: [{ domain: '', version: 13 }],
      graph: {
        name: 'stand-in',
        node: nodes,
        initializer: constants,
        input: [valueInfo(input.name, input.type, input.dims)],
        output: [valueInfo(output.name, DataType.FLOAT, output.dims)],
      },
    }),
  ).finish();

const SOBEL = [-1, 0, 1, -2, 0, 2, -1, 0, 1];
const SOBEL_DOWN = [-1, -2, -1, 0, 0, 0, 1, 2, 1];

interface ImageGraph {
  readonly input: string;
  readonly output: string;
  readonly side: number;
  readonly dimension: number;
  readonly batch: Dim;
  readonly seed: number;
}

/**
 * A model of colours and gradients, each pooled over a grid of cells.
 * @param failsInTheDark whether a dark picture gives values that are not numbers, from the root of a negative number
 */
function imageGraph({ input, output, side, dimension, batch, seed }: ImageGraph, failsInTheDark: boolean): Graph {
  const cell = side / 7;
  const cells = 7 * 7;
  const features = 3 * cells + 6 * cells;
  const random = randomFrom(seed);
  const pool = { kernel_shape: [cell, cell], strides: [cell, cell] };
  return {
    input: { name: input, type: DataType.FLOAT, dims: [batch, 3, side, side] },
    output: { name: output, dims: [batch, dimension] },
    constants: [
      floats(
        'sobel',
        [6, 1, 3, 3],
        [...Array(3)].flatMap(() => [...SOBEL, ...SOBEL_DOWN]),
      ),
      ...(failsInTheDark ? [floats('lift', [1], [1.9])] : []),
      floats('turn', [features, dimension], Array.from({ length: features * dimension }, random)),
    ],
    nodes: [
      node('AveragePool', [input], 'pooled', pool),
      ...(failsInTheDark
        ? [node('Add', ['pooled', 'lift'], 'brighter'), node('Sqrt', ['brighter'], 'colours')]
        : [node('Identity', ['pooled'], 'colours')]),
      node('Conv', [input, 'sobel'], 'gradients', { group: 3, kernel_shape: [3, 3], pads: [1, 1, 1, 1] }),
      node('Abs', ['gradients'], 'strengths'),
      node('AveragePool', ['strengths'], 'edges', pool),
      node('Flatten', ['colours'], 'flat_colours', { axis: 1 }),
      node('Flatten', ['edges'], 'flat_edges', { axis: 1 }),
      node('Concat', ['flat_colours', 'flat_edges'], 'features', { axis: 1 }),
      node('MatMul', ['features', 'turn'], output),
    ],
  };
}

/** A model that counts the tokens by their remainder modulo the dimension. */
function textGraph(input: string, output: string, dimension: number): Graph {
  return {
    input: { name: input, type: DataType.INT64, dims: [1, 'length'] },
    output: { name: output, dims: [1, dimension] },
    constants: [
      ints('dimension', [1], [dimension]),
      ints('depth', [], [dimension]),
      floats('off_on', [2], [0, 1]),
      ints('axes', [1], [1]),
    ],
    nodes: [
      node('Mod', [input, 'dimension'], 'classes'),
      node('OneHot', ['classes', 'depth', 'off_on'], 'marks', { axis: -1 }),
      node('ReduceSum', ['marks', 'axes'], output, { keepdims: 0 }),
    ],
  };
}

const GRAPHS = {
  clip_image: (dark: boolean) =>
    imageGraph(
      { input: 'pixel_values', output: 'image_embeds', side: 224, dimension: 512, batch: 'batch', seed: 1 },
      dark,
    ),
  clip_text: () => textGraph('input_ids', 'text_embeds', 512),
  dino_image: (dark: boolean) =>
    imageGraph({ input: 'input', output: 'output', side: 224, dimension: 384, batch: 1, seed: 2 }, dark),
  face_embedding: (dark: boolean) =>
    imageGraph({ input: 'input', output: 'output', side: 112, dimension: 512, batch: 'batch', seed: 3 }, dark),
} as const;
export type StandInRole = keyof typeof GRAPHS;

const IMAGE = {
  kind: 'image',
  resize: 'shortest_edge',
  kernel: 'bicubic',
  scale: 1 / 255,
  mean: [0.5, 0.5, 0.5],
  std: [0.25, 0.25, 0.25],
  layout: 'nchw',
  colour: 'rgb',
};

/** The manifest, with the sums for the pattern of the self-test, which were measured once. */
const manifestOf = (role: StandInRole): Record<string, unknown> => {
  switch (role) {
    case 'clip_image':
      return {
        golden: { output: 'image_embeds', sum: 43.76, tolerance: 0.5 },
        input: 'pixel_values',
        output: 'image_embeds',
        dimension: 512,
        batch: true,
        preprocessing: { ...IMAGE, width: 224, height: 224, resize_to: 224 },
      };
    case 'clip_text':
      return {
        golden: { output: 'text_embeds', sum: 6, tolerance: 0.5 },
        input: 'input_ids',
        output: 'text_embeds',
        dimension: 512,
        preprocessing: { kind: 'text', max_tokens: 77, tokenizer: 'clip-tokenizer', pad: false, type: 'int64' },
      };
    case 'dino_image':
      return {
        golden: { output: 'output', sum: -676.38, tolerance: 0.5 },
        input: 'input',
        output: 'output',
        dimension: 384,
        batch: false,
        preprocessing: { ...IMAGE, width: 224, height: 224, resize_to: 256 },
      };
    case 'face_embedding':
      return {
        golden: { output: 'output', sum: 625.87, tolerance: 0.5 },
        input: 'input',
        output: 'output',
        dimension: 512,
        batch: true,
        preprocessing: { ...IMAGE, width: 112, height: 112, resize: 'squash' },
      };
  }
};

export interface StandIn {
  readonly role: StandInRole;
  readonly file: string;
  /** Arguments for `ModelStore.use(role, file, manifest)`. */
  readonly manifest: Readonly<Record<string, unknown>>;
}

export interface StandInVariant {
  /** Whether the model returns NaN for a dark picture. */
  readonly failsInTheDark?: boolean;
}

/** Writes one stand-in into a folder. */
export function makeStandIn(
  folder: string,
  role: StandInRole,
  { failsInTheDark = false }: StandInVariant = {},
): StandIn {
  const variant = failsInTheDark ? '-dark' : '';
  const file = path.join(folder, `stand_in_${role}${variant}.onnx`);
  fs.mkdirSync(folder, { recursive: true });
  fs.writeFileSync(file, modelBytes(GRAPHS[role](failsInTheDark)));
  const { golden, ...manifest } = manifestOf(role);
  const id = `stand-in-${role.replace('_', '-')}${variant}`;
  // The sums were measured on the unchanged graphs.
  return { role, file, manifest: { id, ...manifest, ...(variant === '' && { golden }) } };
}

export const STAND_IN_ROLES = Object.keys(GRAPHS) as readonly StandInRole[];

/**
 * Assigns stand-ins to their roles in a models folder like `models use`, but without the model store: the tests of
 * services start with a prepared folder.
 */
export function installStandIns(modelsDir: string, roles: readonly StandInRole[] = STAND_IN_ROLES): void {
  const choices = Object.fromEntries(
    roles.map((role) => {
      const { file, manifest } = makeStandIn(path.join(modelsDir, 'stand-ins'), role);
      const bytes = fs.readFileSync(file);
      const sha256 = createHash('sha256').update(bytes).digest('hex');
      const full = {
        version: '1',
        license: 'MIT',
        source: 'made by the tests',
        role,
        file: path.basename(file),
        size: bytes.length,
        sha256,
        ...manifest,
      };
      return [role, { manifest: full, path: file }];
    }),
  );
  fs.writeFileSync(path.join(modelsDir, 'models.json'), `${JSON.stringify({ version: 1, roles: choices }, null, 2)}\n`);
}

/** Manifest of the small face model among the shared files, which can distinguish persons. */
export const SMALL_FACE_MODEL: Readonly<Record<string, unknown>> = {
  id: 'mobilefacenet-test',
  input: 'input',
  output: 'output',
  dimension: 128,
  batch: false,
  preprocessing: {
    kind: 'image',
    width: 112,
    height: 112,
    resize: 'squash',
    kernel: 'bilinear',
    scale: 1,
    mean: [127.5, 127.5, 127.5],
    std: [128, 128, 128],
    layout: 'nchw',
    colour: 'rgb',
  },
};
