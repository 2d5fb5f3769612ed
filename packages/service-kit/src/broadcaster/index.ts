export * from './broadcaster.js';
export * from './from-settings.js';
export * from './mqtt.js';
