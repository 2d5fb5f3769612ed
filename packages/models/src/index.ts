export * from './catalogue.js';
export { DownloadFailed, type DownloadProgress } from './download.js';
export * from './npy.js';
export * from './self-test.js';
export * from './session.js';
export * from './store.js';
export * from './tensor.js';
export * from './tokenizer.js';
export * from './vector.js';
