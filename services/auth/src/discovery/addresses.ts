import type { PlatformAddress, PlatformAddresses } from '@cl-server/contract';
import { PORTS } from '@cl-server/contract/constants';
import { isLoopback } from '@cl-server/service-kit';

/** The settings from which the addresses of the platform are derived. */
export interface AddressSettings {
  /** The host on which the platform listens. */
  readonly host?: string;
  readonly publicAuthUrl?: string | undefined;
  readonly publicStoreUrl?: string | undefined;
  readonly publicComputeUrl?: string | undefined;
  /** `none` if clients should not use a broker. */
  readonly publicMqttUrl?: string | undefined;
  readonly publicMqttWsUrl?: string | undefined;
  readonly storePort?: number;
  readonly computePort?: number;
  readonly broadcastType?: 'mqtt' | 'none';
  readonly mqttUrl?: string | undefined;
  readonly mqttPort?: number;
  readonly mqttWsPort?: number;
}

const address = (url: string | undefined, port: number): PlatformAddress => (url === undefined ? { port } : { url });

/**
 * Whether the broker is the platform's own. An external broker has logins of its own, so clients use it only if the operator
 * publishes its address.
 */
function hasOwnBroker({ host, broadcastType, mqttUrl, mqttPort = PORTS.mqtt }: AddressSettings): boolean {
  if (broadcastType === 'none') return false;
  if (mqttUrl === undefined) return true;
  const { hostname, port } = new URL(mqttUrl);
  return Number(port || PORTS.mqtt) === mqttPort && (isLoopback(hostname) || hostname === host);
}

/** Returns the document by which clients find all services from the address of this one. */
export function addressesFor(settings: AddressSettings): PlatformAddresses {
  const {
    storePort = PORTS.store,
    computePort = PORTS.compute,
    mqttPort = PORTS.mqtt,
    mqttWsPort = PORTS.mqttWs,
  } = settings;
  const own = hasOwnBroker(settings);
  const broker = (url: string | undefined, port: number): PlatformAddress | null => {
    if (url === 'none') return null;
    return url === undefined && (!own || port === 0) ? null : address(url, port);
  };
  return {
    product: 'cl-server',
    ...(settings.publicAuthUrl !== undefined && { auth: { url: settings.publicAuthUrl } }),
    store: address(settings.publicStoreUrl, storePort),
    compute: address(settings.publicComputeUrl, computePort),
    mqtt: broker(settings.publicMqttUrl, mqttPort),
    mqtt_ws: broker(settings.publicMqttWsUrl, mqttWsPort),
  };
}
