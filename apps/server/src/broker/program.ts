import {
  AllowedHosts,
  configOrHelp,
  createLogger,
  httpOptions,
  openDataDir,
  type RunningProgram,
  serviceCredential,
} from '@cl-server/service-kit/program';
import { verifierFromSettings } from '@cl-server/service-kit/tokens';
import { Access } from './access.js';
import { startBroker } from './broker.js';
import { createIdentify } from './identify.js';
import { BROKER_LIMITS } from './limits.js';
import { brokerSettings } from './settings.js';

/** Runs the broker's process: it reads the settings and reports the ports. */
export async function brokerProgram(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Promise<RunningProgram | undefined> {
  const config = configOrHelp({
    program: 'cl-broker',
    description: 'The embedded MQTT broker.',
    settings: brokerSettings,
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
