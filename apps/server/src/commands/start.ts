import { PORTS } from '@cl-server/contract/constants';
import type { RunningProgram } from '@cl-server/service-kit/program';
import pc from 'picocolors';
import type { PlatformUrls } from '../platform/plan.js';
import { type Platform, startPlatform } from '../platform/platform.js';
import type { CommandInput } from './command.js';

/** The addresses that the command line client uses by itself. */
const isDefault = ({ auth, store, compute, mqtt }: PlatformUrls): boolean =>
  [auth, store, compute, mqtt].every((url, i) =>
    url?.endsWith(`127.0.0.1:${[PORTS.auth, PORTS.store, PORTS.compute, PORTS.mqtt][i]}`),
  );

/** The text for a person when everything runs. The line for programs is printed separately. */
function welcome({ urls, dataDir, newAdmin }: Platform): string {
  const row = (name: string, text: string): string => `  ${name.padEnd(9)}${text}`;
  const login = newAdmin
    ? [`  ${pc.bold('Admin')}    ${newAdmin.username} / ${newAdmin.password}   (shown only once: write it down)`, '']
    : [];
  return [
    '',
    pc.bold('CL Server is running.'),
    row('auth', `${urls.auth}/docs`),
    row('store', `${urls.store}/docs`),
    row('compute', `${urls.compute}/docs`),
    row('events', [urls.mqtt, urls.mqtt_ws].filter(Boolean).join('  ') || 'no broker; clients poll'),
    row('data', dataDir),
    '',
    ...login,
    `Next, in another terminal:  npx cl-client login ${isDefault(urls) ? '' : `${urls.auth} `}-u ${newAdmin?.username ?? 'admin'}`,
    'Ctrl-C stops everything.',
    '',
  ].join('\n');
}

export async function start({ settings, env, dataDir, print, interrupted }: CommandInput): Promise<RunningProgram> {
  print(`Data folder: ${dataDir}\n`);
  let platform: Platform | undefined;
  interrupted.addEventListener('abort', () => {
    if (!platform) print('\nStopping before everything has started.\n');
  });
  platform = await startPlatform({ settings, env, dataDir, print, interrupted }).finally(() => {
    if (interrupted.aborted) print('Stopped.\n');
  });
  print(`${welcome(platform)}\nready ${JSON.stringify(platform.urls)}\n`);
  const { stop, urls } = platform;
  return {
    info: { ...urls },
    stop: async () => {
      print('\nStopping: running jobs finish or return to the queue. Press Ctrl-C again to end at once.\n');
      await stop();
      print('Stopped.\n');
    },
  };
}
