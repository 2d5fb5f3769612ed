import { dinoEmbeddingTask, getDinoEmbedding } from '@cl-server/contract';
import { defineInsight } from '../define.js';
import { wholeFile } from '../inputs.js';
import { collectResultVector } from './result-vector.js';

/** A vector of how a picture looks. The vectors of near duplicates and of pictures of one scene are near each other. */
export const dinoEmbedding = defineInsight({
  name: 'dino_embedding',
  task: dinoEmbeddingTask.type,
  model: 'dino_image',
  appliesTo: { image: wholeFile },
  collect: collectResultVector,
  vector: { kind: 'dino', title: 'DINO', download: getDinoEmbedding },
});
