import { embeddingModule } from '../vision/embedding-module.js';

export const dinoEmbedding = () => embeddingModule('dino_image');
