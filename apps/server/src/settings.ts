/** Settings of the launcher. It passes resolved values to its children in the environment, so that all processes agree. */
import os from 'node:os';
import { PORTS } from '@cl-server/contract/constants';
import {
  allowedHostsSetting,
  asBool,
  asInt,
  asPort,
  asText,
  corsSetting,
  dataDirSetting,
  hostSetting,
  logLevelSetting,
  mqttSettings,
  noAuthSetting,
  type Settings,
  selfMigrateSettings,
  toolSettings,
  type Values,
} from '@cl-server/service-kit/program';

export const mqttWsPortSetting = {
  env: 'MQTT_WS_PORT',
  flag: 'mqtt-ws-port',
  parse: asPort,
  default: PORTS.mqttWs as number,
  help: 'WebSocket port of the embedded broker; 0: none',
} as const;

const portOf = (service: 'auth' | 'store' | 'compute') =>
  ({
    env: `${service.toUpperCase()}_PORT`,
    flag: `${service}-port`,
    parse: asPort,
    default: PORTS[service] as number,
    help: `Port of the ${service} service; 0 selects a free one`,
  }) as const;

export const launcherSettings = {
  dataDir: dataDirSetting,
  host: hostSetting,
  allowedHosts: allowedHostsSetting,
  corsOrigins: corsSetting,
  authPort: portOf('auth'),
  storePort: portOf('store'),
  computePort: portOf('compute'),
  mqttPort: { ...mqttSettings.mqttPort, help: 'TCP port of the embedded broker; 0: no broker, clients poll' },
  mqttWsPort: mqttWsPortSetting,
  broadcastType: mqttSettings.broadcastType,
  mqttUrl: {
    ...mqttSettings.mqttUrl,
    help: 'External broker, as mqtt://host:port; the embedded one is then not started',
  },
  mqttBroker: { ...mqttSettings.mqttBroker, help: 'Host of an external broker, if no URL is given' },
  mqttJobStatus: mqttSettings.mqttJobStatus,
  workers: {
    env: 'WORKERS',
    flag: 'workers',
    parse: asInt(0, 256),
    default: Math.max(1, os.availableParallelism() - 1),
    defaultText: 'cores − 1, at least 1',
    help: 'Number of compute workers',
  },
  modelThreads: {
    env: 'MODEL_THREADS',
    parse: asInt(1, 256),
    help: 'Threads of one model in one worker (default: the cores, shared among the workers)',
  },
  adminPassword: {
    env: 'ADMIN_PASSWORD',
    flag: 'admin-password',
    parse: asText,
    secret: true,
    help: 'Password of the first admin (default: random, shown once)',
  },
  authDisabled: { ...noAuthSetting, help: 'Turn off access control of store and compute' },
  noMigrate: {
    ...selfMigrateSettings.noMigrate,
    help: 'Do not migrate the databases; services refuse to start if tables are missing',
  },
  watchPlugins: {
    env: 'WATCH_PLUGINS',
    flag: 'watch-plugins',
    isSwitch: true,
    parse: asBool,
    default: false as boolean,
    help: 'Load plugins again when their files change (for development)',
  },
  logLevel: logLevelSetting,
  ffmpegPath: toolSettings.ffmpegPath,
  ffprobePath: toolSettings.ffprobePath,
} as const satisfies Settings;

export type LauncherSettings = Values<typeof launcherSettings>;
