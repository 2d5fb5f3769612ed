/** Turns settings into a plan of processes: which ones run, in which stages, with which environment. */

import os from 'node:os';
import path from 'node:path';
import { shownUrl } from '@cl-server/service-kit/program';
import type { LauncherSettings } from '../settings.js';
import type { ChildSpec } from '../supervisor/child.js';
import { type ProgramName, programFile } from './programs.js';
import type { Environment } from './tools.js';

/** `embedded`: the platform's own broker; `outside`: set by MQTT_URL or MQTT_BROKER; `none`: clients poll. */
export type BrokerKind = 'embedded' | 'outside' | 'none';

export function brokerKind(
  settings: Pick<LauncherSettings, 'broadcastType' | 'mqttUrl' | 'mqttBroker' | 'mqttPort'>,
): BrokerKind {
  if (settings.broadcastType === 'none') return 'none';
  if (settings.mqttUrl !== undefined || settings.mqttBroker !== undefined) return 'outside';
  return settings.mqttPort === 0 ? 'none' : 'embedded';
}

export interface PlatformUrls {
  readonly auth: string;
  readonly store: string;
  readonly compute: string;
  readonly mqtt: string | null;
  readonly mqtt_ws: string | null;
}

/** The host by which this machine itself reaches a server that listens on `host`. */
export function reachableHost(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  if (host === '::') return '[::1]';
  return host.includes(':') ? `[${host}]` : host;
}

const outsideBroker = ({ mqttUrl, mqttBroker, mqttPort }: LauncherSettings): string =>
  mqttUrl ?? `mqtt://${mqttBroker}:${mqttPort}`;

/** URLs for clients on this machine, without passwords so that they may be shown. */
export function platformUrls(settings: LauncherSettings): PlatformUrls {
  const host = reachableHost(settings.host);
  const kind = brokerKind(settings);
  const outside = outsideBroker(settings);
  return {
    auth: `http://${host}:${settings.authPort}`,
    store: `http://${host}:${settings.storePort}`,
    compute: `http://${host}:${settings.computePort}`,
    mqtt: kind === 'none' ? null : kind === 'outside' ? shownUrl(outside) : `mqtt://${host}:${settings.mqttPort}`,
    mqtt_ws: kind === 'embedded' && settings.mqttWsPort !== 0 ? `ws://${host}:${settings.mqttWsPort}` : null,
  };
}

/** These variables are passed only to the processes that need them, and are never inherited. */
const SECRETS = ['ADMIN_PASSWORD', 'ADMIN_PASSWORD_FILE', 'MQTT_USERNAME', 'MQTT_PASSWORD', 'MQTT_PASSWORD_FILE'];
/** These variables are for the launcher only, or it decides their values again. */
const NOT_INHERITED = [
  ...SECRETS,
  'WORKER_ID',
  'WORKERS',
  'NO_MIGRATE',
  'MQTT_URL',
  'MQTT_URL_FILE',
  'MQTT_BROKER',
  'MQTT_SOCKET',
  'PORT',
  'NODE_CHANNEL_FD',
];

const defined = (env: Environment): Record<string, string> =>
  Object.fromEntries(Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined));

/** The length of a Unix socket address in bytes (unix(7)); 104 on macOS. */
const MAX_SOCKET_PATH_BYTES = 100;

/** The services' socket to the embedded broker; none if the path of the data folder is too long or the system has no sockets. */
function brokerSocket(dataDir: string): string | undefined {
  const file = path.join(dataDir, 'broker.sock');
  return process.platform === 'win32' || Buffer.byteLength(file) > MAX_SOCKET_PATH_BYTES ? undefined : file;
}

function brokerEnvironment(
  settings: LauncherSettings,
  urls: PlatformUrls,
  env: Environment,
  dataDir: string,
): Environment {
  const kind = brokerKind(settings);
  if (kind === 'none') return { BROADCAST_TYPE: 'none' };
  const url = { BROADCAST_TYPE: 'mqtt', MQTT_URL: kind === 'outside' ? outsideBroker(settings) : (urls.mqtt ?? '') };
  if (kind === 'embedded')
    return {
      ...url,
      MQTT_SOCKET: brokerSocket(dataDir),
      MQTT_JOB_STATUS: settings.mqttJobStatus === 'off' ? 'off' : 'on',
    };
  return {
    ...url,
    // We do not control who may read what on an external broker, so whole jobs are published there only if requested.
    MQTT_JOB_STATUS: settings.mqttJobStatus === 'on' ? 'on' : 'off',
    MQTT_USERNAME: env['MQTT_USERNAME'],
    MQTT_PASSWORD: env['MQTT_PASSWORD'],
    MQTT_PASSWORD_FILE: env['MQTT_PASSWORD_FILE'],
  };
}

export interface PlanOptions {
  readonly settings: LauncherSettings;
  /** The launcher's own environment, which children inherit. */
  readonly env: Environment;
  readonly dataDir: string;
}

export interface Plan {
  readonly urls: PlatformUrls;
  /** The environment of a program that is run by hand on the same data, e.g. a migration. */
  readonly environment: Readonly<Record<string, string>>;
  readonly stages: readonly (readonly ChildSpec[])[];
  /** Names of the children that load plugins. */
  readonly withPlugins: ReadonlySet<string>;
}

/** Milliseconds after which unfinished jobs of a worker return to the queue. All stages together stay below 30 s. */
const WORKER_DRAIN_MS = 15_000;
const SERVICE_DRAIN_MS = 4_000;

/** Divides the cores among workers that compute at the same time. */
const threadsOfModels = ({ modelThreads, workers }: LauncherSettings): number =>
  modelThreads ?? Math.max(1, Math.floor(os.availableParallelism() / Math.max(1, workers)));

export function planPlatform({ settings, env, dataDir }: PlanOptions): Plan {
  const urls = platformUrls(settings);
  const inherited = Object.fromEntries(Object.entries(env).filter(([name]) => !NOT_INHERITED.includes(name)));
  const environment = defined({
    ...inherited,
    CL_SERVER_DIR: dataDir,
    HOST: settings.host,
    ALLOWED_HOSTS: settings.allowedHosts.join(','),
    CORS_ORIGINS: settings.corsOrigins.join(','),
    LOG_LEVEL: settings.logLevel,
    AUTH_PORT: String(settings.authPort),
    STORE_PORT: String(settings.storePort),
    COMPUTE_PORT: String(settings.computePort),
    MQTT_PORT: String(settings.mqttPort),
    MQTT_WS_PORT: String(settings.mqttWsPort),
    AUTH_URL: urls.auth,
    STORE_URL: urls.store,
    COMPUTE_URL: urls.compute,
    AUTH_DISABLED: String(settings.authDisabled),
    MIGRATE: String(!settings.noMigrate),
    MODEL_THREADS: String(threadsOfModels(settings)),
    FFMPEG_PATH: settings.ffmpegPath,
    FFPROBE_PATH: settings.ffprobePath,
    ...brokerEnvironment(settings, urls, env, dataDir),
  });

  const embedded = brokerKind(settings) === 'embedded';
  const child = (name: string, program: ProgramName, more: Environment = {}): ChildSpec => ({
    name,
    script: programFile(program),
    env: defined({ ...environment, ...more }),
    drainDeadline: program === 'compute-worker' ? WORKER_DRAIN_MS : SERVICE_DRAIN_MS,
  });
  /** A client of the broker starts after it: if it started earlier, it would try again only a second later. */
  const client = (name: string, program: ProgramName, more?: Environment): ChildSpec => ({
    ...child(name, program, more),
    ...(embedded && { after: 'broker' }),
  });
  const workers = Array.from({ length: settings.workers }, (_, index) =>
    // COMPUTE_URL is not set: a worker would warn that compute does not answer yet.
    client(`worker-${index + 1}`, 'compute-worker', { WORKER_ID: `worker-${index + 1}`, COMPUTE_URL: undefined }),
  );
  return {
    urls,
    environment,
    stages: [
      [
        ...(embedded ? [child('broker', 'cl-broker')] : []),
        child('auth', 'auth-server', { ADMIN_PASSWORD: settings.adminPassword }),
      ],
      [client('store', 'store'), client('compute', 'compute-server')],
      [...workers, client('insight', 'm-insight-worker')],
    ],
    withPlugins: new Set(['store', 'compute', 'insight', ...workers.map(({ name }) => name)]),
  };
}
