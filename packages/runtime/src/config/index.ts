export * from './common.js';
export * from './load.js';
export * from './setting.js';
