/** Settings that several programs share, defined once so that names and defaults agree. */
import { PORTS, TOPICS } from '@cl-server/contract/constants';
import { asBool, asBytes, asChoice, asInt, asNonEmpty, asNumber, asPort, asText, asUrl } from './setting.js';

export const LOG_LEVELS = ['critical', 'fatal', 'error', 'warning', 'warn', 'info', 'debug', 'trace'] as const;

export const dataDirSetting = {
  env: 'CL_SERVER_DIR',
  flag: 'data-dir',
  parse: asNonEmpty,
  help: 'Folder of all data',
} as const;

export const logLevelSetting = {
  env: 'LOG_LEVEL',
  flag: 'log-level',
  parse: asChoice(LOG_LEVELS),
  default: 'info' as (typeof LOG_LEVELS)[number],
  help: `How much to log: ${LOG_LEVELS.join(', ')}`,
} as const;

export const hostSetting = {
  env: 'HOST',
  flag: 'host',
  parse: asNonEmpty,
  default: '127.0.0.1' as string,
  help: 'Address to listen on; 0.0.0.0 opens the service to the network',
} as const;

/** `--port` of one service, with its own variable and default. */
export const portSetting = (service: 'auth' | 'store' | 'compute') =>
  ({
    env: `${service.toUpperCase()}_PORT`,
    flag: 'port',
    short: 'p',
    parse: asPort,
    default: PORTS[service] as number,
    help: 'Port to listen on',
  }) as const;

/** The launcher sets it: a service then brings its own tables up to date before it starts, instead of refusing. */
export const migrateSetting = {
  env: 'MIGRATE',
  flag: 'migrate',
  isSwitch: true,
  parse: asBool,
  default: false as boolean,
  help: 'Apply pending migrations first, instead of refusing to start without them',
} as const;

/** Accepted because the earlier system's options are in scripts; it never had an effect. */
export const reloadSetting = {
  env: 'RELOAD',
  flag: 'reload',
  isSwitch: true,
  parse: asBool,
  default: false as boolean,
  help: 'Accepted and ignored, as before',
} as const;

export const databaseSettings = {
  databaseUrl: {
    env: 'DATABASE_URL',
    parse: asUrl('sqlite', 'postgres', 'postgresql'),
    help: 'One database for everything: sqlite:///path or postgres://…',
  },
} as const;

export const mqttSettings = {
  broadcastType: {
    env: 'BROADCAST_TYPE',
    parse: asChoice(['mqtt', 'none'] as const),
    default: 'mqtt' as 'mqtt' | 'none',
    help: 'none: live without a broker; clients poll',
  },
  mqttUrl: {
    env: 'MQTT_URL',
    flag: 'mqtt-url',
    parse: asUrl('mqtt', 'mqtts', 'ws', 'wss', 'tcp'),
    help: 'Broker, as mqtt://host:port',
  },
  mqttBroker: {
    env: 'MQTT_BROKER',
    flag: 'mqtt-server',
    parse: asNonEmpty,
    help: 'Host of the broker, where no URL is given',
  },
  mqttPort: {
    env: 'MQTT_PORT',
    flag: 'mqtt-port',
    parse: asPort,
    default: PORTS.mqtt as number,
    help: 'Port of the broker, where no URL is given',
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
    help: 'Prefix of the topics on which workers announce themselves',
  },
  mqttHeartbeatInterval: {
    env: 'MQTT_HEARTBEAT_INTERVAL',
    parse: asNumber(0.1, 3600),
    default: 10 as number,
    help: 'Seconds between two announcements of a worker',
  },
  mqttJobStatus: {
    env: 'MQTT_JOB_STATUS',
    parse: asChoice(['auto', 'on', 'off'] as const),
    default: 'auto' as 'auto' | 'on' | 'off',
    help: 'Whole jobs on job/status/{id}: auto is on with the embedded broker only',
  },
} as const;

export const serviceUrlSettings = {
  authUrl: {
    env: 'AUTH_URL',
    flag: 'auth-url',
    parse: asUrl('http', 'https'),
    default: `http://127.0.0.1:${PORTS.auth}` as string,
    help: 'The auth service',
  },
} as const;

export const keySettings = {
  publicKeyPath: {
    env: 'PUBLIC_KEY_PATH',
    flag: 'public-key-path',
    parse: asNonEmpty,
    help: 'Public key file, used while the auth service does not answer',
  },
} as const;

export const uploadSettings = {
  maxUploadBytes: {
    env: 'MAX_UPLOAD_BYTES',
    parse: asBytes,
    default: 20_000_000_000 as number,
    help: 'Largest upload',
  },
  maxImagePixels: {
    env: 'MAX_IMAGE_PIXELS',
    parse: asInt(1, 10_000_000_000),
    default: 150_000_000 as number,
    help: 'Largest image that is decoded, in pixels',
  },
} as const;
