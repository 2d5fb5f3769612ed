/** The public exports of `@cl-server/models`; all other modules are internal. */

// Which models there are, where their files are, and how they are downloaded.

export { manifestById } from './catalogue.js';
export { DownloadFailed, type DownloadProgress } from './download.js';
export { ModelMissing } from './missing.js';
export { type ModelRow, ModelStore, type Serving } from './store.js';

// Running models.

export { selfTest } from './self-test.js';
export {
  EXECUTION_PROVIDERS,
  type ExecutionProvider,
  type FloatTensors,
  floatTensor,
  ModelNotLoaded,
  ModelSession,
} from './session.js';

// Input and output of models.

export { decodeNpy, encodeNpy } from './npy.js';
export { imageShape, textFeeds, writeImage } from './tensor.js';
export { loadTokenizer, type TextTokenizer } from './tokenizer.js';
export { assertFinite, cosine, dot, normalized } from './vector.js';
