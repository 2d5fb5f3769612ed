import { embeddingModule } from '../vision/embedding-module.js';

export const dinoEmbedding = (): ReturnType<typeof embeddingModule> => embeddingModule('dino_image');
