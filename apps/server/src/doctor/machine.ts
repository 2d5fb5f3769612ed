/** Checks the data folder, the disk, memory, ports and the external services that the settings name. */

import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { messageOf } from '@cl-server/kit';
import {
  asDatabaseUrl,
  databaseAnswers,
  databaseSettings,
  loadConfig,
  openDatabase,
  openDataDir,
} from '@cl-server/service-kit';
import { brokerKind, platformUrls } from '../platform/plan.js';
import { checkPorts } from '../platform/ports.js';
import { faultOf, readRunState } from '../platform/read-run-state.js';
import type { Environment } from '../platform/tools.js';
import type { LauncherSettings } from '../settings.js';
import { type Finding, missing, note, ok } from './requirement.js';

const GIB = 2 ** 30;
const gib = (bytes: number): string => `${(bytes / GIB).toFixed(1)} GiB`;

/** The folder itself, or its nearest existing parent; nothing is created. */
export function dataFolderFinding(dataDir: string): Finding {
  if (!fs.existsSync(dataDir)) {
    let parent = path.dirname(dataDir);
    while (!fs.existsSync(parent)) parent = path.dirname(parent);
    try {
      fs.accessSync(parent, fs.constants.W_OK);
      return ok('data folder', dataDir, 'created at the first start');
    } catch {
      return missing('data folder', dataDir, `it cannot be created in ${parent}: choose another with CL_SERVER_DIR`);
    }
  }
  try {
    openDataDir(dataDir, { create: false });
    return ok('data folder', dataDir, 'writable');
  } catch (error) {
    return missing('data folder', dataDir, messageOf(error));
  }
}

export function diskFinding(dataDir: string): Finding {
  let folder = dataDir;
  while (!fs.existsSync(folder)) folder = path.dirname(folder);
  const { bavail, bsize } = fs.statfsSync(folder);
  const free = bavail * bsize;
  return free >= GIB
    ? ok('disk space', folder, `${gib(free)} free`)
    : note(
        'disk space',
        folder,
        'less than 1 GiB is free: uploads are refused when the disk is full',
        `${gib(free)} free`,
      );
}

export function memoryFinding(): Finding {
  const total = os.totalmem();
  const found = `${gib(total)}, ${os.availableParallelism()} cores`;
  return total >= 2 * GIB ? ok('memory', '', found) : note('memory', '', 'models need 2 GiB or more', found);
}

/** The addresses of the platform that runs on this data folder; if none runs, whether the ports of the settings are free. */
export async function portFindings(settings: LauncherSettings, dataDir: string): Promise<Finding[]> {
  const running = readRunState(dataDir)?.urls;
  if (running)
    return Object.entries(running).flatMap(([what, url]) =>
      url === null ? [] : [ok(`address of ${what}`, url, 'in use by the running CL Server')],
    );
  const wanted: [string, string, number][] = [
    ['auth', 'auth-port', settings.authPort],
    ['store', 'store-port', settings.storePort],
    ['compute', 'compute-port', settings.computePort],
  ];
  if (brokerKind(settings) === 'embedded')
    wanted.push(['mqtt', 'mqtt-port', settings.mqttPort], ['mqtt websocket', 'mqtt-ws-port', settings.mqttWsPort]);
  return Promise.all(
    wanted.map(async ([what, flag, port]) => {
      const where = `${settings.host}:${port}`;
      try {
        await checkPorts(settings.host, [{ what, flag, port }]);
        return ok(`port of ${what}`, where, 'free');
      } catch {
        return note(
          `port of ${what}`,
          where,
          `in use: by a running CL Server, or choose another with --${flag}`,
          'in use',
        );
      }
    }),
  );
}

/** The processes of a platform that runs on this data folder; empty if none runs. */
export function processFindings(dataDir: string): Finding[] {
  const children = readRunState(dataDir)?.children ?? [];
  return children.map((child): Finding => {
    const fault = faultOf(child);
    if (fault === undefined) return ok(`process ${child.name}`, `pid ${child.pid}`, 'running');
    const where = path.join(dataDir, 'run_logs', `${child.name}.log`);
    const advice = 'read the end of this log; the process is restarted automatically';
    return { name: `process ${child.name}`, state: child.crash_loop ? 'fault' : 'note', where, version: fault, advice };
  });
}

const reaches = (host: string, port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = net.connect({ host, port, timeout: 3_000 });
    const end = (answer: boolean) => () => {
      socket.destroy();
      resolve(answer);
    };
    socket.on('connect', end(true)).on('error', end(false)).on('timeout', end(false));
  });

export async function brokerFinding(settings: LauncherSettings): Promise<Finding> {
  const kind = brokerKind(settings);
  if (kind === 'none') return note('MQTT broker', 'none', 'clients poll for changes');
  if (kind === 'embedded') return ok('MQTT broker', 'embedded');
  const url = new URL(platformUrls(settings).mqtt ?? '');
  const where = `${url.hostname}:${url.port || 1883}`;
  return (await reaches(url.hostname, Number(url.port || 1883)))
    ? ok('MQTT broker', where, 'answers')
    : missing(
        'MQTT broker',
        where,
        'it does not answer: start it, or unset MQTT_URL and MQTT_BROKER to use the embedded one',
      );
}

const DATABASES = {
  databaseUrl: databaseSettings.databaseUrl,
  authDatabaseUrl: { env: 'AUTH_DATABASE_URL', parse: asDatabaseUrl, secret: true, help: 'Database of users' },
  storeDatabaseUrl: {
    env: 'STORE_DATABASE_URL',
    parse: asDatabaseUrl,
    secret: true,
    help: 'Database of entities and jobs',
  },
  workerDatabaseUrl: { env: 'WORKER_DATABASE_URL', parse: asDatabaseUrl, secret: true, help: 'Database of jobs' },
} as const;

/** The PostgreSQL servers that the settings name; SQLite files need no check. */
export async function databaseFindings(env: Environment, dataDir: string): Promise<Finding[]> {
  let urls: Partial<Record<keyof typeof DATABASES, string | undefined>>;
  try {
    const sources = { argv: [], env: { ...env, CL_SERVER_DIR: dataDir } };
    urls = loadConfig({ program: 'doctor', description: '', settings: DATABASES, ...sources }).values;
  } catch (error) {
    return [missing('database', 'settings', messageOf(error).replaceAll('doctor: ', ''))];
  }
  const named = (Object.keys(DATABASES) as (keyof typeof DATABASES)[]).flatMap((key) => {
    const url = urls[key];
    return url?.startsWith('postgres') ? [[DATABASES[key].env, url] as const] : [];
  });
  if (named.length === 0) return [ok('database', 'SQLite, in the data folder')];
  return Promise.all(
    named.map(async ([name, url]) => {
      const { host, pathname } = new URL(url);
      const database = openDatabase<unknown>(url, { schema: 'jobs', poolSize: 1 });
      try {
        await databaseAnswers(database);
        return ok(name, `${host}${pathname}`, 'answers');
      } catch (error) {
        return missing(name, `${host}${pathname}`, `it cannot be used: ${messageOf(error)}`);
      } finally {
        await database.close();
      }
    }),
  );
}
