export * from './allowed-hosts.js';
export * from './app.js';
export * from './file-name.js';
export { Answer, type Context, type Handler, type RouteOptions } from './handler.js';
export * from './http-options.js';
export * from './metrics.js';
export * from './send-file.js';
export { type ReceivedFile, storageFault, type UploadOptions } from './upload.js';
export { validatePart } from './validate.js';
