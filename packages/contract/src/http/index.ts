export * from './endpoint.js';
export * from './errors.js';
export * from './field.js';
export * from './json-bounds.js';
export * from './list.js';
export * from './openapi.js';
export * from './system.js';
