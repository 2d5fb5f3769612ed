export * from './broker.js';
export * from './files.js';
export * from './mutate.js';
export * from './postgres.js';
export * from './requirements.js';
export * from './stand-in-models.js';
export * from './tcp-link.js';
export * from './wait.js';
