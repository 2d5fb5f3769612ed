// Writes a model with the shapes of CLIP's ViT-B/32 image tower and random weights, which takes as much work as the
// real one.
import fs from 'node:fs';
import onnxProto from 'onnx-proto';

const { onnx } = onnxProto;
const { DataType } = onnx.TensorProto;
const { AttributeType } = onnx.AttributeProto;
const WIDTH = 768;
const HEADS = 12;
const LAYERS = 12;
const PATCHES = 49;

const nodes = [];
const constants = [];

function random(name, dims, spread = 0.03) {
  const values = new Float32Array(dims.reduce((product, dim) => product * dim, 1));
  let state = 12345 + constants.length;
  for (let i = 0; i < values.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    values[i] = (state / 2 ** 31) * spread;
  }
  constants.push(
    onnx.TensorProto.create({ name, dims, dataType: DataType.FLOAT, rawData: new Uint8Array(values.buffer) }),
  );
  return name;
}
function fixed(name, values, dims = [values.length], type = 'INT64') {
  const data = type === 'INT64' ? BigInt64Array.from(values, BigInt) : Float32Array.from(values);
  constants.push(
    onnx.TensorProto.create({ name, dims, dataType: DataType[type], rawData: new Uint8Array(data.buffer) }),
  );
  return name;
}
const attribute = ([name, value]) =>
  Array.isArray(value)
    ? onnx.AttributeProto.create({ name, type: AttributeType.INTS, ints: value })
    : onnx.AttributeProto.create({ name, type: AttributeType.INT, i: value });
function op(opType, input, output, attributes = {}) {
  const outputs = [output].flat();
  nodes.push(
    onnx.NodeProto.create({ opType, input, output: outputs, attribute: Object.entries(attributes).map(attribute) }),
  );
  return outputs[0];
}
const linear = (x, name, from, to) =>
  op('Add', [op('MatMul', [x, random(`${name}.w`, [from, to])], `${name}.m`), random(`${name}.b`, [to])], `${name}.y`);
const norm = (x, name) =>
  op(
    'LayerNormalization',
    [x, fixed(`${name}.g`, Array(WIDTH).fill(1), [WIDTH], 'FLOAT'), random(`${name}.b`, [WIDTH])],
    `${name}.n`,
    {
      axis: -1,
    },
  );

function attention(x, name) {
  linear(x, `${name}.qkv`, WIDTH, 3 * WIDTH);
  op('Split', [`${name}.qkv.y`, 'thirds'], [`${name}.q`, `${name}.k`, `${name}.v`], { axis: -1 });
  const heads = (of, perm) => op('Transpose', [op('Reshape', [of, 'by_head'], `${of}.r`)], `${of}.t`, { perm });
  const scores = op('MatMul', [heads(`${name}.q`, [0, 2, 1, 3]), heads(`${name}.k`, [0, 2, 3, 1])], `${name}.s`);
  const weights = op('Softmax', [op('Mul', [scores, 'scale'], `${name}.ss`)], `${name}.p`, { axis: -1 });
  const mixed = op('MatMul', [weights, heads(`${name}.v`, [0, 2, 1, 3])], `${name}.c`);
  const joined = op('Reshape', [op('Transpose', [mixed], `${name}.ct`, { perm: [0, 2, 1, 3] }), 'joined'], `${name}.j`);
  return linear(joined, `${name}.o`, WIDTH, WIDTH);
}

function block(x, name) {
  const attended = op('Add', [x, attention(norm(x, `${name}.1`), `${name}.a`)], `${name}.x1`);
  const wide = linear(norm(attended, `${name}.2`), `${name}.up`, WIDTH, 4 * WIDTH);
  const gate = op('Sigmoid', [op('Mul', [wide, 'gelu'], `${name}.gs`)], `${name}.g`);
  return op(
    'Add',
    [attended, linear(op('Mul', [wide, gate], `${name}.h`), `${name}.down`, 4 * WIDTH, WIDTH)],
    `${name}.x2`,
  );
}

fixed('thirds', [WIDTH, WIDTH, WIDTH]);
fixed('by_head', [0, PATCHES + 1, HEADS, WIDTH / HEADS]);
fixed('joined', [0, PATCHES + 1, WIDTH]);
fixed('flat', [0, WIDTH, PATCHES]);
fixed('scale', [(WIDTH / HEADS) ** -0.5], [], 'FLOAT');
fixed('gelu', [1.702], [], 'FLOAT');
fixed('zero', [0]);
fixed('one', [1]);
fixed('first', [0], []);

const patches = op('Conv', ['pixel_values', random('patch', [WIDTH, 3, 32, 32])], 'patches', {
  kernel_shape: [32, 32],
  strides: [32, 32],
});
const rows = op('Transpose', [op('Reshape', [patches, 'flat'], 'columns')], 'rows', { perm: [0, 2, 1] });
const count = op('Slice', [op('Shape', ['pixel_values'], 'shape'), 'zero', 'one'], 'count');
const shape = op('Concat', [count, 'one', 'row_width'], 'token_shape', { axis: 0 });
fixed('row_width', [WIDTH]);
const token = op('Expand', [random('class', [1, 1, WIDTH]), shape], 'token');
let x = op(
  'Add',
  [op('Concat', [token, rows], 'tokens', { axis: 1 }), random('places', [1, PATCHES + 1, WIDTH])],
  'placed',
);
x = norm(x, 'pre');
for (let layer = 0; layer < LAYERS; layer++) x = block(x, `l${layer}`);
const pooled = norm(op('Gather', [x, 'first'], 'pooled', { axis: 1 }), 'post');
op('MatMul', [pooled, random('projection', [WIDTH, 512])], 'image_embeds');

const info = (name, dims) =>
  onnx.ValueInfoProto.create({
    name,
    type: {
      tensorType: {
        elemType: DataType.FLOAT,
        shape: { dim: dims.map((dim) => (typeof dim === 'number' ? { dimValue: dim } : { dimParam: dim })) },
      },
    },
  });
const model = onnx.ModelProto.create({
  irVersion: 8,
  producerName: 'cl-server-bench',
  opsetImport: [{ domain: '', version: 17 }],
  graph: {
    name: 'vit-b-32',
    node: nodes,
    initializer: constants,
    input: [info('pixel_values', ['batch', 3, 224, 224])],
    output: [info('image_embeds', ['batch', 512])],
  },
});
fs.writeFileSync(process.argv[2], onnx.ModelProto.encode(model).finish());
