import { clipEmbeddingTask, clipTextEmbeddingTask, getClipEmbedding } from '@cl-server/contract';
import { defineInsight } from '../define.js';
import { frames, wholeFile } from '../inputs.js';
import { collectResultVector } from './result-vector.js';

/** Frames of a video that get a vector, spread over its whole length. */
const VIDEO_FRAMES = 8;

/** A vector of what a picture shows. A text, or a picture of the same thing, finds it. */
export const clipEmbedding = defineInsight({
  name: 'clip_embedding',
  task: clipEmbeddingTask.type,
  model: 'clip_image',
  appliesTo: { image: wholeFile, video: frames(VIDEO_FRAMES) },
  collect: collectResultVector,
  vector: { kind: 'clip', title: 'CLIP', textTask: clipTextEmbeddingTask.type, download: getClipEmbedding },
});
