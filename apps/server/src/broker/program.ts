import {
  configOrHelp,
  createLogger,
  dataDirSetting,
  hostSetting,
  keySettings,
  logLevelSetting,
  mqttSettings,
  openDataDir,
  type RunningProgram,
  type Settings,
  serviceCredential,
  serviceUrlSettings,
} from '@cl-server/runtime/program';
import { verifierFromSettings } from '@cl-server/runtime/tokens';
import { mqttWsPortSetting } from '../settings.js';
import { Access } from './access.js';
import { startBroker } from './broker.js';
import { createIdentify } from './identify.js';

const settings = {
  dataDir: dataDirSetting,
  logLevel: logLevelSetting,
  host: hostSetting,
  mqttPort: mqttSettings.mqttPort,
  mqttWsPort: mqttWsPortSetting,
  mqttTopic: mqttSettings.mqttTopic,
  capabilityTopicPrefix: mqttSettings.capabilityTopicPrefix,
  ...serviceUrlSettings,
  ...keySettings,
} as const satisfies Settings;

/** The broker's process: settings in, ports out. */
export async function brokerProgram(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Promise<RunningProgram | undefined> {
  const config = configOrHelp({
    program: 'cl-broker',
    description: 'the embedded MQTT broker',
    settings,
    argv,
    env,
  });
  if (!config) return undefined;
  const { values } = config;
  const dataDir = openDataDir(values.dataDir, { create: false });
  const logger = createLogger({ name: 'cl-broker', level: values.logLevel });
  const tokens = await verifierFromSettings(values, dataDir, logger);
  const broker = await startBroker({
    host: values.host,
    port: values.mqttPort,
    wsPort: values.mqttWsPort === 0 ? undefined : values.mqttWsPort,
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
