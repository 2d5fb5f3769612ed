/** The HTTP server of a service: endpoints, uploads, limits, answers. */
export { AllowedHosts } from './allowed-hosts.js';
export { type App, createApp } from './app.js';
export { positionOf } from './cursors.js';
export { safeFileName, shownFileName } from './file-name.js';
export { Answer } from './handler.js';
export { type HttpOptions, httpOptions } from './http-options.js';
export { Counter, createMetrics, Gauge, Histogram, type MetricsRegistry } from './metrics.js';
export { brokerChecks, folderIsUsable, type ReadinessCheck } from './readiness-checks.js';
export { openedFile, type SendOptions, sendOpenFile } from './send-file.js';
export type { ReceivedFile } from './upload.js';
export { validatePart } from './validate.js';
