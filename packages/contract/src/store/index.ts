export * from './admin.js';
export * from './api.js';
export * from './entities.js';
export * from './entity.js';
export * from './events.js';
export { MAX_DESCRIPTION, MAX_LABEL } from './fields.js';
export * from './intelligence.js';
export * from './media.js';
