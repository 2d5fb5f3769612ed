/** The schemas of all MQTT messages that clients may receive. A browser loads them without the rest of the contract. */
export { jobEvent, workerCapability } from './jobs/schemas.js';
export { entityEvent, entityStatusEvent, itemEvent } from './store/events.js';
