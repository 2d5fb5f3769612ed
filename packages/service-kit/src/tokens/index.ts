export * from './from-settings.js';
export * from './guard.js';
export * from './keys.js';
export * from './revocations.js';
export * from './verifier.js';
