export * from './embedding.js';
export * from './face.js';
export * from './task.js';
