export * from './credential.js';
export * from './data-dir.js';
export * from './folders.js';
export * from './harden.js';
export * from './loopback.js';
export * from './open-doors.js';
export * from './program.js';
