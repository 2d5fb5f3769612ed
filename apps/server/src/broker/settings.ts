/** Settings of `cl-broker`. */
import {
  asInt,
  dataDirSetting,
  hostSetting,
  httpSettings,
  keySettings,
  logLevelSetting,
  mqttSettings,
  type Settings,
  serviceUrlSettings,
} from '@cl-server/service-kit/program';
import { mqttWsPortSetting } from '../settings.js';
import { BROKER_LIMITS } from './limits.js';

export const brokerSettings = {
  mqttMaxStrangers: {
    env: 'MQTT_MAX_STRANGERS',
    parse: asInt(1, 100_000),
    default: BROKER_LIMITS.strangers,
    help: 'Maximum number of connections without a login',
  },
  mqttMaxStrangersPerAddress: {
    env: 'MQTT_MAX_STRANGERS_PER_ADDRESS',
    parse: asInt(1, 100_000),
    default: BROKER_LIMITS.strangersPerAddress,
    help: 'Maximum number of connections without a login from one address of the network',
  },
  mqttMaxUsers: {
    env: 'MQTT_MAX_USERS',
    parse: asInt(1, 100_000),
    default: BROKER_LIMITS.users,
    help: 'Maximum number of connections with a token',
  },
  dataDir: dataDirSetting,
  logLevel: logLevelSetting,
  host: hostSetting,
  mqttPort: mqttSettings.mqttPort,
  mqttWsPort: mqttWsPortSetting,
  mqttSocket: mqttSettings.mqttSocket,
  ...httpSettings,
  mqttTopic: mqttSettings.mqttTopic,
  capabilityTopicPrefix: mqttSettings.capabilityTopicPrefix,
  ...serviceUrlSettings,
  ...keySettings,
} as const satisfies Settings;
