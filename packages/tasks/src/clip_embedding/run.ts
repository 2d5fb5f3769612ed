import { embeddingModule } from '../vision/embedding-module.js';

export const clipEmbedding = (): ReturnType<typeof embeddingModule> => embeddingModule('clip_image');
