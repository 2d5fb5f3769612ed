import path from 'node:path';
import {
  createLogger,
  dataDirSetting,
  hostSetting,
  keySettings,
  loadConfig,
  logLevelSetting,
  mqttSettings,
  openDataDir,
  type RunningProgram,
  type Settings,
  serviceCredential,
  serviceUrlSettings,
} from '@cl-server/runtime/program';
import { RemoteKeys, RevocationPoll, TokenVerifier } from '@cl-server/runtime/tokens';
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
  const { values, helpWanted, help } = loadConfig({
    program: 'cl-broker',
    description: 'the embedded MQTT broker',
    settings,
    argv,
    env,
  });
  if (helpWanted) {
    process.stdout.write(help);
    return undefined;
  }
  const dataDir = openDataDir(values.dataDir, { create: false });
  const logger = createLogger({ name: 'cl-broker', level: values.logLevel });
  const credential = serviceCredential(dataDir);
  const keys = await new RemoteKeys({
    authUrl: values.authUrl,
    file: values.publicKeyPath ?? path.join(dataDir, 'public_key.pem'),
    logger,
  }).start();
  const revocations = new RevocationPoll({ authUrl: values.authUrl, credential, logger }).start();
  const broker = await startBroker({
    host: values.host,
    port: values.mqttPort,
    wsPort: values.mqttWsPort === 0 ? undefined : values.mqttWsPort,
    access: new Access({ jobEvents: values.mqttTopic, workers: values.capabilityTopicPrefix }),
    identify: createIdentify({
      credential,
      verifier: new TokenVerifier({ keys, revocations }),
      revocations,
      keysReady: () => keys.ready(),
    }),
    logger,
  });
  return {
    info: { port: broker.port, wsPort: broker.wsPort },
    stop: async () => {
      keys.close();
      revocations.close();
      await broker.close();
    },
  };
}
