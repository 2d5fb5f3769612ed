export * from './common.js';
export * from './load.js';
export * from './names.js';
export * from './setting.js';
