/** Starts and stops the whole platform. */

import path from 'node:path';
import { messageOf } from '@cl-server/kit';
import {
  type Logger,
  openDataDir,
  StartupError,
  serviceCredential,
  warnIfExposed,
} from '@cl-server/service-kit/program';
import type { LauncherSettings } from '../settings.js';
import type { ReadyInfo, Timing } from '../supervisor/child.js';
import { Output } from '../supervisor/output.js';
import { Supervisor } from '../supervisor/supervisor.js';
import { lockDataDir } from './lock.js';
import { brokerKind, type Plan, type PlatformUrls, planPlatform } from './plan.js';
import { watchPlugins } from './plugin-watch.js';
import { checkPorts, type PortRequest } from './ports.js';
import { untilReady } from './ready.js';
import { RunStateFile } from './run-state.js';
import { type Environment, requireTools } from './tools.js';

export interface PlatformOptions {
  readonly settings: LauncherSettings;
  readonly env: Environment;
  readonly dataDir: string;
  /** Writes complete lines to the terminal. */
  readonly print: (text: string) => void;
  readonly timing?: Timing;
  /** Interrupts the start: the processes that were started are drained. */
  readonly interrupted: AbortSignal;
}

export interface AdminLogin {
  readonly username: string;
  readonly password: string;
}

export interface Platform {
  readonly urls: PlatformUrls;
  readonly dataDir: string;
  /** The login of the admin, if it was just created with a random password. */
  readonly newAdmin: AdminLogin | undefined;
  readonly logger: Logger;
  stop(): Promise<void>;
}

/** Returns the settings with every port 0 of a service replaced by a free one. */
async function withPorts(settings: LauncherSettings): Promise<LauncherSettings> {
  const services = ['auth', 'store', 'compute'] as const;
  const requests: PortRequest[] = services.map((what) => ({
    what,
    flag: `${what}-port`,
    port: settings[`${what}Port`],
  }));
  if (brokerKind(settings) === 'embedded') {
    requests.push({ what: 'mqtt', flag: 'mqtt-port', port: settings.mqttPort });
    if (settings.mqttWsPort !== 0)
      requests.push({ what: 'mqtt websocket', flag: 'mqtt-ws-port', port: settings.mqttWsPort });
  }
  const [authPort = 0, storePort = 0, computePort = 0] = await checkPorts(settings.host, requests);
  return { ...settings, authPort, storePort, computePort };
}

function adminOf(info: ReadyInfo | undefined): AdminLogin | undefined {
  const admin = info?.['admin'] as Partial<AdminLogin> | undefined;
  return typeof admin?.username === 'string' && typeof admin.password === 'string'
    ? { username: admin.username, password: admin.password }
    : undefined;
}

async function startAll(
  plan: Plan,
  supervisor: Supervisor,
  logger: Logger,
  interrupted: AbortSignal,
): Promise<AdminLogin | undefined> {
  const infos = await supervisor.start(plan.stages);
  const { auth, store, compute } = plan.urls;
  await Promise.all(
    Object.entries({ auth, store, compute }).map(([name, url]) => untilReady(name, url, { logger, interrupted })),
  );
  return adminOf(infos.get('auth'));
}

/**
 * Starts everything and waits until it is ready. If a part does not start, the others are stopped.
 * @throws StartupError
 */
export async function startPlatform(options: PlatformOptions): Promise<Platform> {
  requireTools(options.env);
  const dataDir = openDataDir(options.dataDir, { create: true });
  const unlock = lockDataDir(dataDir);
  try {
    return await startIn(dataDir, unlock, options);
  } catch (error) {
    unlock();
    throw error;
  }
}

async function startIn(dataDir: string, unlock: () => void, options: PlatformOptions): Promise<Platform> {
  const settings = await withPorts(options.settings);
  serviceCredential(dataDir);
  const output = new Output({ folder: path.join(dataDir, 'run_logs'), print: options.print });
  const logger = output.logger('cl-server', settings.logLevel);
  warnIfExposed({ host: settings.host, noAuth: settings.authDisabled }, logger);
  const plan = planPlatform({ settings, env: options.env, dataDir });
  const state = new RunStateFile(dataDir, plan.urls);
  const supervisor = new Supervisor({
    output,
    logger,
    changed: (children) => state.write(children),
    ...(options.timing && { timing: options.timing }),
  });
  const stopWatching = new AbortController();
  const stop = async (): Promise<void> => {
    stopWatching.abort();
    await supervisor.drain();
    output.close();
    state.remove();
    unlock();
  };
  options.interrupted.addEventListener('abort', () => void supervisor.drain(), { once: true });
  try {
    options.interrupted.throwIfAborted();
    const newAdmin = await startAll(plan, supervisor, logger, options.interrupted);
    if (settings.watchPlugins) {
      const { pluginFolders } = await import('@cl-server/task-kit'); // only here, because it loads all schemas
      const folders = pluginFolders({ pluginsDir: path.join(dataDir, 'plugins') });
      const reload = (): Promise<void> => supervisor.restart(plan.withPlugins);
      void watchPlugins({ folders, reload, logger, stop: stopWatching.signal });
    }
    return { urls: plan.urls, dataDir, newAdmin, logger, stop };
  } catch (error) {
    await stop();
    throw error instanceof StartupError ? error : new StartupError(messageOf(error), 1, { cause: error });
  }
}
