/** Settings of `m-insight-worker`. */

import { PORTS } from '@cl-server/contract';
import {
  asBool,
  asInt,
  asNonEmpty,
  asNumber,
  asPort,
  asText,
  dataDirSetting,
  jobDatabaseSettings,
  logLevelSetting,
  migrateSetting,
  mqttSettings,
  type Settings,
} from '@cl-server/runtime';

const tool = (env: string, program: string) =>
  ({ env, parse: asNonEmpty, help: `The ${program} program, where it is not in PATH` }) as const;

export const insightSettings = {
  dataDir: dataDirSetting,
  migrate: migrateSetting,
  logLevel: { ...logLevelSetting, short: 'l' },
  processId: {
    env: 'M_INSIGHT_PROCESS_ID',
    flag: 'm-insight-process-id',
    short: 'i',
    parse: asNonEmpty,
    default: 'm-insight-default' as string,
    help: 'Name in the log',
  },
  storePort: {
    env: 'STORE_PORT',
    flag: 'store-port',
    parse: asPort,
    default: PORTS.store as number,
    help: 'Port of the store, part of the topics',
  },
  maxRunning: {
    env: 'INSIGHT_MAX_RUNNING',
    flag: 'max-running',
    parse: asInt(1, 10_000),
    default: 16 as number,
    help: 'Jobs of understanding that may wait or run at once',
  },
  faceMatch: {
    env: 'FACE_MATCH_THRESHOLD',
    flag: 'face-embedding-threshold',
    parse: asNumber(0, 1),
    default: 0.45 as number,
    help: 'Likeness from which two faces are taken for one person’s',
  },
  ...jobDatabaseSettings,
  mediaStorageDir: {
    env: 'MEDIA_STORAGE_DIR',
    parse: asNonEmpty,
    help: 'Folder of stored media; default: media in the data folder',
  },
  computeStorageDir: {
    env: 'COMPUTE_STORAGE_DIR',
    parse: asNonEmpty,
    help: 'Folder of job files; default: compute in the data folder',
  },
  modelsDir: { env: 'MODELS_DIR', parse: asNonEmpty, help: 'Folder of models; default: models in the data folder' },
  ...mqttSettings,
  mqttUrl: { ...mqttSettings.mqttUrl, short: 'u' },
  ffmpegPath: tool('FFMPEG_PATH', 'ffmpeg'),
  ffprobePath: tool('FFPROBE_PATH', 'ffprobe'),
  noAuth: {
    env: 'INSIGHT_NO_AUTH',
    flag: 'no-auth',
    isSwitch: true,
    parse: asBool,
    default: false as boolean,
    help: 'Accepted and ignored: the worker asks no service over HTTP',
  },
  itemsTopic: {
    env: 'INSIGHT_ITEMS_TOPIC',
    flag: 'mqtt-topic',
    short: 't',
    parse: asText,
    help: 'Accepted and ignored: the topic follows from the store’s port',
  },
  retired: {
    env: 'INSIGHT_RETIRED',
    flag: 'qdrant-url',
    flagAliases: [
      'qdrant-collection',
      'face-collection',
      'dino-collection',
      'auth-url',
      'compute-url',
      'compute-username',
      'compute-password',
      'face-vector-size',
    ],
    parse: asText,
    help: 'Accepted and ignored, as are the other options of the earlier worker: all is shared through the database',
  },
} as const satisfies Settings;
