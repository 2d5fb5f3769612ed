/** Live events over MQTT, or none. */
export { type Broadcaster, type MessageListener, noBroadcaster } from './broadcaster.js';
export { broadcasterFromSettings, hasOwnBroker, jobStatusWanted } from './from-settings.js';
export { connectBroadcaster } from './mqtt.js';
