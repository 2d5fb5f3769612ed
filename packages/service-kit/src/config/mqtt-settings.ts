/** Settings of programs that connect to a broker. */
import { PORTS, TOPICS } from '@cl-server/contract/constants';
import { asChoice, asNonEmpty, asNumber, asPort, asText, asUrl } from './setting.js';

export const mqttSettings = {
  broadcastType: {
    env: 'BROADCAST_TYPE',
    parse: asChoice(['mqtt', 'none'] as const),
    default: 'mqtt' as 'mqtt' | 'none',
    help: 'none: run without a broker; clients poll',
  },
  mqttUrl: {
    env: 'MQTT_URL',
    flag: 'mqtt-url',
    parse: asUrl('mqtt', 'mqtts', 'ws', 'wss', 'tcp'),
    secret: true,
    help: 'Broker, as mqtt://host:port',
  },
  mqttBroker: {
    env: 'MQTT_BROKER',
    flag: 'mqtt-server',
    parse: asNonEmpty,
    help: 'Host of the broker, if no URL is set',
  },
  mqttPort: {
    env: 'MQTT_PORT',
    flag: 'mqtt-port',
    parse: asPort,
    default: PORTS.mqtt as number,
    help: 'Port of the broker, if no URL is set',
  },
  mqttSocket: {
    env: 'MQTT_SOCKET',
    parse: asNonEmpty,
    help: "Unix socket of the embedded broker for the platform's own processes; the launcher sets it",
  },
  mqttUsername: { env: 'MQTT_USERNAME', parse: asText, help: 'User name for the broker' },
  mqttPassword: {
    env: 'MQTT_PASSWORD',
    parse: asText,
    secret: true,
    help: 'Password for the broker',
  },
  mqttTopic: {
    env: 'MQTT_TOPIC',
    parse: asNonEmpty,
    default: TOPICS.jobEvents as string,
    help: 'Topic of all job events',
  },
  capabilityTopicPrefix: {
    env: 'CAPABILITY_TOPIC_PREFIX',
    parse: asNonEmpty,
    default: TOPICS.workers as string,
    help: 'Prefix of the topics on which workers publish what they can run',
  },
  mqttHeartbeatInterval: {
    env: 'MQTT_HEARTBEAT_INTERVAL',
    parse: asNumber(0.1, 3600),
    default: 10 as number,
    help: 'Seconds between two heartbeats of a worker',
  },
  mqttJobStatus: {
    env: 'MQTT_JOB_STATUS',
    parse: asChoice(['auto', 'on', 'off'] as const),
    default: 'auto' as 'auto' | 'on' | 'off',
    help: 'Publish whole jobs on job/status/{id}; auto: only at the embedded broker',
  },
} as const;
