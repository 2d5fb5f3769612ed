import {
  AllowedHosts,
  asInt,
  configOrHelp,
  createLogger,
  dataDirSetting,
  hostSetting,
  httpOptions,
  httpSettings,
  keySettings,
  logLevelSetting,
  mqttSettings,
  openDataDir,
  type RunningProgram,
  type Settings,
  serviceCredential,
  serviceUrlSettings,
} from '@cl-server/service-kit/program';
import { verifierFromSettings } from '@cl-server/service-kit/tokens';
import { mqttWsPortSetting } from '../settings.js';
import { Access } from './access.js';
import { startBroker } from './broker.js';
import { createIdentify } from './identify.js';
import { BROKER_LIMITS } from './limits.js';

const settings = {
  mqttMaxStrangers: {
    env: 'MQTT_MAX_STRANGERS',
    parse: asInt(1, 100_000),
    default: BROKER_LIMITS.strangers,
    help: 'Connections without a login',
  },
  mqttMaxStrangersPerAddress: {
    env: 'MQTT_MAX_STRANGERS_PER_ADDRESS',
    parse: asInt(1, 100_000),
    default: BROKER_LIMITS.strangersPerAddress,
    help: 'Connections without a login from one address of the network',
  },
  mqttMaxUsers: {
    env: 'MQTT_MAX_USERS',
    parse: asInt(1, 100_000),
    default: BROKER_LIMITS.users,
    help: 'Connections with a token',
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

/** Runs the broker's process: it reads the settings and reports the ports. */
export async function brokerProgram(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Promise<RunningProgram | undefined> {
  const config = configOrHelp({
    program: 'cl-broker',
    description: 'The embedded MQTT broker.',
    settings,
    argv,
    env,
  });
  if (!config) return undefined;
  const { values } = config;
  const dataDir = openDataDir(values.dataDir, { create: false });
  const logger = createLogger({ name: 'cl-broker', level: values.logLevel });
  const tokens = await verifierFromSettings(values, dataDir, logger);
  const { allowedHosts = [], corsOrigins = [] } = httpOptions(values);
  const broker = await startBroker({
    host: values.host,
    port: values.mqttPort,
    wsPort: values.mqttWsPort === 0 ? undefined : values.mqttWsPort,
    socketPath: values.mqttSocket,
    limits: {
      ...BROKER_LIMITS,
      strangers: values.mqttMaxStrangers,
      strangersPerAddress: values.mqttMaxStrangersPerAddress,
      users: values.mqttMaxUsers,
    },
    hosts: new AllowedHosts({ names: allowedHosts, origins: corsOrigins }),
    access: new Access({ jobEvents: values.mqttTopic, workers: values.capabilityTopicPrefix }),
    identify: createIdentify({
      credential: serviceCredential(dataDir),
      verifier: tokens.verifier,
      revocations: tokens.revocations,
      keysReady: () => tokens.ready(),
    }),
    logger,
  });
  return {
    info: { port: broker.port, wsPort: broker.wsPort },
    stop: async () => {
      tokens.close();
      await broker.close();
    },
  };
}
