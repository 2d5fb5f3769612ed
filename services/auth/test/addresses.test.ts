import { platformAddresses } from '@cl-server/contract';
import { describe, expect, it } from 'vitest';
import { type AddressSettings, addressesFor } from '../src/discovery/addresses.js';

describe('the addresses for clients', () => {
  it.each<[string, AddressSettings, object]>([
    [
      'are ports by default, because a server does not know its own name',
      { host: '0.0.0.0', storePort: 7001, computePort: 7002, mqttPort: 7003, mqttWsPort: 7004 },
      { store: { port: 7001 }, compute: { port: 7002 }, mqtt: { port: 7003 }, mqtt_ws: { port: 7004 } },
    ],
    [
      'are what the operator has set',
      {
        publicAuthUrl: '/auth',
        publicStoreUrl: 'https://store.example',
        publicMqttWsUrl: '/mqtt',
        publicMqttUrl: 'none',
      },
      { auth: { url: '/auth' }, store: { url: 'https://store.example' }, mqtt: null, mqtt_ws: { url: '/mqtt' } },
    ],
    ['have no broker if there is none', { broadcastType: 'none' }, { mqtt: null, mqtt_ws: null }],
    ['have no broker whose port is 0', { mqttPort: 0, mqttWsPort: 0 }, { mqtt: null, mqtt_ws: null }],
    [
      'have the embedded broker, which listens where the platform does',
      { host: '192.0.2.7', mqttUrl: 'mqtt://192.0.2.7:1883' },
      { mqtt: { port: 1883 }, mqtt_ws: { port: 9001 } },
    ],
    [
      'do not have an external broker, whose address may be internal',
      { mqttUrl: 'mqtt://user:secret@broker.internal:1883' },
      { mqtt: null, mqtt_ws: null },
    ],
    [
      'have an external broker if its address is public',
      { mqttUrl: 'mqtt://broker.internal', publicMqttUrl: 'mqtts://broker.example:8883' },
      { mqtt: { url: 'mqtts://broker.example:8883' }, mqtt_ws: null },
    ],
  ])('%s', (_name, settings, expected) => {
    const document = platformAddresses.parse(addressesFor(settings));
    expect(document).toMatchObject(expected);
    expect('auth' in document).toBe(settings.publicAuthUrl !== undefined);
  });
});
