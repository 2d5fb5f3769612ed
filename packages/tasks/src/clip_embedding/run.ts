import { embeddingModule } from '../vision/embedding-module.js';

export const clipEmbedding = () => embeddingModule('clip_image');
