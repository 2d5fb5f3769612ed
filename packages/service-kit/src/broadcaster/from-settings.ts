import { SERVICE_MQTT_USER } from '@cl-server/contract/constants';
import type { mqttSettings } from '../config/mqtt-settings.js';
import type { Values } from '../config/setting.js';
import type { Logger } from '../logging/logger.js';
import { serviceCredential } from '../process/credential.js';
import { isLoopback } from '../process/loopback.js';
import { type Broadcaster, noBroadcaster } from './broadcaster.js';
import { connectBroadcaster, type MqttOptions } from './mqtt.js';

/** The broker's address as the settings give it, or undefined where there is to be none. */
export function brokerUrl(
  settings: Pick<Values<typeof mqttSettings>, 'broadcastType' | 'mqttUrl' | 'mqttBroker' | 'mqttPort'>,
): string | undefined {
  if (settings.broadcastType === 'none') return undefined;
  return settings.mqttUrl ?? `mqtt://${settings.mqttBroker ?? '127.0.0.1'}:${settings.mqttPort}`;
}

/** Whether the broker is the one that comes with the platform, and so serves nobody else. */
export const hasOwnBroker = (
  settings: Pick<Values<typeof mqttSettings>, 'broadcastType' | 'mqttUrl' | 'mqttBroker' | 'mqttPort'>,
): boolean => brokerUrl(settings) !== undefined && settings.mqttUrl === undefined && settings.mqttBroker === undefined;

/**
 * Whether whole jobs are published on `job/status/{id}`. Unless somebody says: with the platform's own broker, for only
 * there they reach their owners alone. Every process that changes jobs must come to the same answer.
 */
export function jobStatusWanted(
  settings: Pick<
    Values<typeof mqttSettings>,
    'mqttJobStatus' | 'broadcastType' | 'mqttUrl' | 'mqttBroker' | 'mqttPort'
  >,
): boolean {
  if (settings.mqttJobStatus !== 'auto') return settings.mqttJobStatus === 'on';
  return hasOwnBroker(settings);
}

/** The broadcaster that a program's settings ask for; the services' own credential where no user is named. */
export async function broadcasterFromSettings(
  settings: Values<typeof mqttSettings>,
  dataDir: string,
  logger: Logger,
  more: Pick<MqttOptions, 'will' | 'clientId' | 'wait'> = {},
): Promise<Broadcaster> {
  const url = brokerUrl(settings);
  if (url === undefined) return noBroadcaster;
  // The platform's own secret is for its own broker: a broker elsewhere must not learn it.
  const isOwn = settings.mqttSocket !== undefined || isLoopback(new URL(url).hostname);
  const ownLogin = isOwn ? { username: SERVICE_MQTT_USER, password: serviceCredential(dataDir) } : {};
  const login =
    settings.mqttUsername !== undefined
      ? { username: settings.mqttUsername, password: settings.mqttPassword }
      : ownLogin;
  return connectBroadcaster({ url, socketPath: settings.mqttSocket, ...login, logger, ...more });
}
