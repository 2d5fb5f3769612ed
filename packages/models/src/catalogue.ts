/** The default model of each role, with exact size and SHA-256 that a download must match. */
import {
  type ImagePreprocessing,
  type ModelManifest,
  type ModelManifestInput,
  type ModelRole,
  modelManifest,
} from '@cl-server/contract';

const CLIP = 'https://huggingface.co/Xenova/clip-vit-base-patch32/resolve/d15189d7028b43f1d3e65039190477f6af591c2a';
const CLIP_SOURCE = 'Hugging Face Xenova/clip-vit-base-patch32 at d15189d';

const clipImage: ImagePreprocessing = {
  kind: 'image',
  width: 224,
  height: 224,
  resize: 'shortest_edge',
  resize_to: 224,
  kernel: 'bicubic',
  scale: 1 / 255,
  mean: [0.48145466, 0.4578275, 0.40821073],
  std: [0.26862954, 0.26130258, 0.27577711],
  layout: 'nchw',
  colour: 'rgb',
};

const entries: readonly ModelManifestInput[] = [
  {
    id: 'clip-vit-b32-image',
    role: 'clip_image',
    version: 'd15189d',
    file: 'vision_model.onnx',
    urls: [`${CLIP}/onnx/vision_model.onnx`],
    size: 351_685_709,
    sha256: 'fd6e1402a588279d1723c7534d4bcba5bc0b14b47dfab0e46f8c47b8270d7d40',
    license: 'MIT',
    source: CLIP_SOURCE,
    input: 'pixel_values',
    output: 'image_embeds',
    dimension: 512,
    batch: true,
    preprocessing: clipImage,
  },
  {
    id: 'clip-vit-b32-image-uint8',
    role: 'clip_image',
    version: 'd15189d',
    file: 'vision_model_uint8.onnx',
    urls: [`${CLIP}/onnx/vision_model_uint8.onnx`],
    size: 88_648_915,
    sha256: 'b95448754a6ae56964ec80c570c80bb9863787ee85f51b664abed8c0e5f22a7a',
    license: 'MIT',
    source: CLIP_SOURCE,
    input: 'pixel_values',
    output: 'image_embeds',
    dimension: 512,
    // The model is quantized at run time over the whole tensor: a neighbour in the batch would change the values.
    batch: false,
    preprocessing: clipImage,
  },
  {
    id: 'clip-vit-b32-text',
    role: 'clip_text',
    version: 'd15189d',
    file: 'text_model.onnx',
    urls: [`${CLIP}/onnx/text_model.onnx`],
    size: 254_058_553,
    sha256: '3f6571f5bad13a97c469c1622e1cfc4d9aef78b79fdbfcff804ca357bfada8cc',
    license: 'MIT',
    source: CLIP_SOURCE,
    input: 'input_ids',
    output: 'text_embeds',
    dimension: 512,
    preprocessing: { kind: 'text', max_tokens: 77, tokenizer: 'clip-tokenizer', pad: false, type: 'int64' },
  },
  {
    id: 'clip-tokenizer',
    role: 'tokenizer',
    version: 'd15189d',
    file: 'tokenizer.json',
    urls: [`${CLIP}/tokenizer.json`],
    size: 2_224_119,
    sha256: 'f7f3b7af117d467b58374797691a6438d3e6b9e9cef800dfd5dced7f697a90cd',
    // The same vocabulary and merges with indentation, as other mirrors of the model publish them.
    equivalents: [{ size: 3_887_151, sha256: 'eafd713b5c621447fa92db4d23139c0bc3edf326c890d95470e758f054ec147d' }],
    license: 'MIT',
    source: CLIP_SOURCE,
  },
  {
    id: 'dinov2-vits14',
    role: 'dino_image',
    version: '7a5e616',
    file: 'dinov2_vits14.onnx',
    urls: [
      'https://huggingface.co/sefaburak/dinov2-small-onnx/resolve/7a5e61628117b5a8bd6f5e2b2385b76da1b4582e/dinov2_vits14.onnx',
    ],
    size: 86_644_121,
    sha256: '4df36ef0716a8f17d984fc7546a3a5d670fda6911eb298592250cb9e26756063',
    license: 'Apache-2.0',
    source: 'Hugging Face sefaburak/dinov2-small-onnx at 7a5e616',
    input: 'input',
    output: 'output',
    dimension: 384,
    // The exported model has a fixed batch size of one.
    batch: false,
    preprocessing: {
      kind: 'image',
      width: 224,
      height: 224,
      resize: 'shortest_edge',
      resize_to: 256,
      kernel: 'bicubic',
      scale: 1 / 255,
      mean: [0.485, 0.456, 0.406],
      std: [0.229, 0.224, 0.225],
      layout: 'nchw',
      colour: 'rgb',
    },
  },
  {
    id: 'yunet-2026may',
    role: 'face_detection',
    version: '47534e2',
    file: 'face_detection_yunet_2026may.onnx',
    urls: [
      'https://github.com/opencv/opencv_zoo/raw/47534e27c9851bb1128ccc0102f1145e27f23f98/models/face_detection_yunet/face_detection_yunet_2026may.onnx',
    ],
    size: 229_738,
    sha256: 'ebafce4e3c118d6554634be5c27ab333b4c047a9a8c3faf1d7cf93101c22f0f0',
    license: 'MIT',
    source: 'GitHub opencv/opencv_zoo at 47534e2',
    input: 'input',
    preprocessing: { kind: 'yunet' },
    golden: { output: 'kps_8', sum: 377.08, tolerance: 0.5 },
  },
  {
    id: 'auraface-v1',
    role: 'face_embedding',
    version: '1',
    file: 'glintr100.onnx',
    urls: ['https://huggingface.co/fal/AuraFace-v1/resolve/main/glintr100.onnx'],
    size: 260_694_151,
    sha256: 'a7933ea5330113b01c9b60351d8f4c33003f145d8470ac5f0e52ee2effe25c60',
    license: 'Apache-2.0',
    source: 'Hugging Face fal/AuraFace-v1',
    dimension: 512,
    batch: true,
    preprocessing: {
      kind: 'image',
      width: 112,
      height: 112,
      resize: 'squash',
      kernel: 'bilinear',
      scale: 1,
      mean: [127.5, 127.5, 127.5],
      std: [127.5, 127.5, 127.5],
      layout: 'nchw',
      colour: 'rgb',
    },
  },
];

export const CATALOGUE: readonly ModelManifest[] = entries.map((entry) => modelManifest.parse(entry));

const DEFAULTS: Readonly<Record<ModelRole, string>> = {
  clip_image: 'clip-vit-b32-image',
  clip_text: 'clip-vit-b32-text',
  dino_image: 'dinov2-vits14',
  face_detection: 'yunet-2026may',
  face_embedding: 'auraface-v1',
};

export const manifestById = (id: string): ModelManifest | undefined => CATALOGUE.find((entry) => entry.id === id);

/** The model that serves a role unless another was chosen. */
export function defaultManifest(role: ModelRole): ModelManifest {
  const manifest = manifestById(DEFAULTS[role]);
  if (!manifest) throw new Error(`the catalogue has no default for ${role}`);
  return manifest;
}
