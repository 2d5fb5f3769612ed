import type { Collect } from './collector.js';
import { collectEmbedding } from './embedding.js';
import { collectFaces } from './face-detection.js';
import { collectHash } from './hash.js';
import { collectThumbnail } from './thumbnail.js';

export const COLLECTORS: Readonly<Record<string, Collect>> = {
  hash: collectHash,
  face_detection: collectFaces,
  clip_embedding: collectEmbedding('clip'),
  dino_embedding: collectEmbedding('dino'),
  face_embedding: collectEmbedding('face'),
  media_thumbnail: collectThumbnail,
};
