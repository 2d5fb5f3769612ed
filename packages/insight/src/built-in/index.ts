import type { Insight } from '../define.js';
import { clipEmbedding } from './clip-embedding.js';
import { dinoEmbedding } from './dino-embedding.js';
import { faceDetection } from './face-detection.js';
import { faceEmbedding } from './face-embedding.js';
import { perceptualHash } from './hash.js';

export const builtInInsights: readonly Insight[] = [
  perceptualHash,
  faceDetection,
  faceEmbedding,
  clipEmbedding,
  dinoEmbedding,
];
