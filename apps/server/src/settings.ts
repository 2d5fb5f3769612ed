/** Settings of the launcher. What it resolves here it hands to its children by environment, so that all agree. */
import os from 'node:os';
import { PORTS } from '@cl-server/contract/constants';
import {
  allowedHostsSetting,
  asInt,
  asPort,
  asText,
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
    help: `Port of the ${service} service; 0: any free one`,
  }) as const;

export const launcherSettings = {
  dataDir: dataDirSetting,
  host: hostSetting,
  allowedHosts: allowedHostsSetting,
  authPort: portOf('auth'),
  storePort: portOf('store'),
  computePort: portOf('compute'),
  mqttPort: { ...mqttSettings.mqttPort, help: 'TCP port of the embedded broker; 0: no broker, clients poll' },
  mqttWsPort: mqttWsPortSetting,
  broadcastType: mqttSettings.broadcastType,
  mqttUrl: { ...mqttSettings.mqttUrl, help: 'An outside broker, as mqtt://host:port; then none is started' },
  mqttBroker: { ...mqttSettings.mqttBroker, help: 'Host of an outside broker, where no URL is given' },
  mqttJobStatus: mqttSettings.mqttJobStatus,
  workers: {
    env: 'WORKERS',
    flag: 'workers',
    parse: asInt(0, 256),
    default: Math.max(1, os.availableParallelism() - 1),
    help: 'Compute workers to run',
  },
  modelThreads: {
    env: 'MODEL_THREADS',
    parse: asInt(1, 256),
    help: 'Threads of one model in one worker; default: the cores, shared among the workers',
  },
  adminPassword: {
    env: 'ADMIN_PASSWORD',
    flag: 'admin-password',
    parse: asText,
    secret: true,
    help: 'Password of the first admin; a random one is made and shown otherwise',
  },
  authDisabled: { ...noAuthSetting, help: 'Store and compute let everyone in' },
  noMigrate: {
    ...selfMigrateSettings.noMigrate,
    help: 'Leave the databases as they are; services refuse to start on missing tables',
  },
  logLevel: logLevelSetting,
  ffmpegPath: toolSettings.ffmpegPath,
  ffprobePath: toolSettings.ffprobePath,
} as const satisfies Settings;

export type LauncherSettings = Values<typeof launcherSettings>;
