export * from './credential.js';
export * from './data-dir.js';
export * from './program.js';
