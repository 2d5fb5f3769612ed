export { Batcher } from '@cl-server/kit';
export * from './broadcaster/index.js';
export * from './database/index.js';
export * from './folder-identity.js';
export * from './http/index.js';
export * from './program.js';
export { storageFault } from './storage-fault.js';
export * from './tokens/index.js';
