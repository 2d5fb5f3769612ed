/** The built-in tasks. */
import { clipEmbeddingTask, clipTextEmbeddingTask, dinoEmbeddingTask, faceEmbeddingTask } from './embedding.js';
import { exifTask } from './exif.js';
import { faceDetectionTask } from './face.js';
import { hashTask } from './hash.js';
import { hlsStreamingTask } from './hls-streaming.js';
import { imageConversionTask } from './image-conversion.js';
import { mediaThumbnailTask } from './media-thumbnail.js';

/** The contract of each built-in task, by its type. The SDK and the command line take their types from this table. */
export interface BuiltInTasks {
  readonly clip_embedding: typeof clipEmbeddingTask;
  readonly clip_text_embedding: typeof clipTextEmbeddingTask;
  readonly dino_embedding: typeof dinoEmbeddingTask;
  readonly exif: typeof exifTask;
  readonly face_detection: typeof faceDetectionTask;
  readonly face_embedding: typeof faceEmbeddingTask;
  readonly hash: typeof hashTask;
  readonly hls_streaming: typeof hlsStreamingTask;
  readonly image_conversion: typeof imageConversionTask;
  readonly media_thumbnail: typeof mediaThumbnailTask;
}

/** The type of a built-in task. */
export type BuiltInTask = keyof BuiltInTasks;

export const builtInTasks: BuiltInTasks = {
  clip_embedding: clipEmbeddingTask,
  clip_text_embedding: clipTextEmbeddingTask,
  dino_embedding: dinoEmbeddingTask,
  exif: exifTask,
  face_detection: faceDetectionTask,
  face_embedding: faceEmbeddingTask,
  hash: hashTask,
  hls_streaming: hlsStreamingTask,
  image_conversion: imageConversionTask,
  media_thumbnail: mediaThumbnailTask,
};
