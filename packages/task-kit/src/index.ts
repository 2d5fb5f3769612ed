export * from './context.js';
export * from './define.js';
export * from './errors.js';
