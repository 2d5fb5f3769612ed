export * from './credential.js';
export * from './data-dir.js';
export * from './exposure.js';
export * from './folders.js';
export * from './harden.js';
export * from './loopback.js';
export * from './program.js';
