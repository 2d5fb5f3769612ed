export * from './common.js';
export * from './config-folder.js';
export * from './load.js';
export * from './names.js';
export * from './setting.js';
