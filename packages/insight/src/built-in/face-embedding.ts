import { faceEmbeddingTask } from '@cl-server/contract';
import { defineInsight } from '../define.js';
import { faceCrops } from '../inputs.js';
import { FACE_DETECTION } from './face-detection.js';
import { collectResultVector } from './result-vector.js';

/** A vector of one face. The vectors of one person's faces are near each other. */
export const faceEmbedding = defineInsight({
  name: 'face_embedding',
  task: faceEmbeddingTask.type,
  model: 'face_embedding',
  appliesTo: { image: faceCrops },
  follows: FACE_DETECTION,
  statusKey: 'face_embeddings',
  collect: collectResultVector,
  vector: { kind: 'face', title: 'Face' },
});
