/** The built-in tasks. */

export {
  clipEmbeddingTask,
  clipTextEmbeddingTask,
  dinoEmbeddingTask,
  embeddedFace,
  faceEmbeddingTask,
  type ModelStamp,
  modelStamp,
} from './embedding.js';
export { EXIF_TAG, exifTask } from './exif.js';
export {
  type DetectedFace,
  detectedFace,
  doubtful,
  FACE_CERTAIN,
  FACE_LISTED,
  type FaceBox,
  type FaceLandmarks,
  type FaceQuality,
  faceBox,
  faceDetectionTask,
  faceLandmarks,
  faceQuality,
} from './face.js';
export { distance } from './hamming.js';
export { hashTask, mediaType } from './hash.js';
export {
  DEFAULT_HLS_VARIANTS,
  HLS_FILES,
  type HlsVariant,
  hlsStreamingTask,
  hlsVariant,
} from './hls-streaming.js';
export {
  colour,
  IMAGE_FORMATS,
  type ImageFormat,
  imageConversionTask,
  MAX_SIDE,
  side,
} from './image-conversion.js';
export { mediaThumbnailTask, THUMBNAIL_FORMATS, type ThumbnailFormat } from './media-thumbnail.js';
export { type BuiltInTask, type BuiltInTasks, builtInTasks } from './table.js';
export {
  commonJobForm,
  commonJobParams,
  type FileRule,
  pictureError,
  type RequiredField,
  type TaskContract,
  type TaskOptions,
  type TaskOutput,
  taskContract,
} from './task.js';
