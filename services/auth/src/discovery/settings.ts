/** Settings about the addresses that clients use. Their ports are those of the other services' own settings. */
import { PORTS } from '@cl-server/contract/constants';
import { asAddress, asPort, asUrl, mqttSettings } from '@cl-server/service-kit';

/** Accepts `none`, too. */
const orNone =
  (parse: (text: string) => string) =>
  (text: string): string =>
    text === 'none' ? text : parse(text);

const publicUrl = (what: string) =>
  ({
    parse: asAddress('http', 'https'),
    help: `Address of ${what} for clients, or its path on the host that they use (default: its port on that host)`,
  }) as const;

const otherPort = <const E extends string>(env: E, fallback: number, what: string) =>
  ({ env, parse: asPort, default: fallback, help: `Port of ${what}, which clients learn from this service` }) as const;

export const addressSettings = {
  publicAuthUrl: {
    env: 'PUBLIC_AUTH_URL',
    parse: asAddress('http', 'https'),
    help: 'Address of this service for clients, or its path (default: the address that they use)',
  },
  publicStoreUrl: { env: 'PUBLIC_STORE_URL', ...publicUrl('the store') },
  publicComputeUrl: { env: 'PUBLIC_COMPUTE_URL', ...publicUrl('compute') },
  publicMqttUrl: {
    env: 'PUBLIC_MQTT_URL',
    parse: orNone(asUrl('mqtt', 'mqtts')),
    help: 'Address of the broker for clients, or none (default: the port of the embedded broker)',
  },
  publicMqttWsUrl: {
    env: 'PUBLIC_MQTT_WS_URL',
    parse: orNone(asAddress('ws', 'wss')),
    help: 'Address of the broker for browsers, or its path, or none (default: the WebSocket port of the embedded broker)',
  },
  storePort: otherPort('STORE_PORT', PORTS.store, 'the store'),
  computePort: otherPort('COMPUTE_PORT', PORTS.compute, 'compute'),
  broadcastType: mqttSettings.broadcastType,
  mqttPort: { ...mqttSettings.mqttPort, help: 'Port of the embedded broker; 0: there is none' },
  mqttWsPort: otherPort('MQTT_WS_PORT', PORTS.mqttWs, 'the embedded broker for browsers; 0: there is none'),
} as const;
