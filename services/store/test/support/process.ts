/** The store as a process of its own, as users run it. */
import { type ChildProcess, fork } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { projectRoot } from '@cl-server/testing';
import { StoreClient } from './store.js';

const bin = path.join(projectRoot, 'services/store/bin/store.js');

/** The programs run the build. */
export const isBuilt = fs.existsSync(path.join(projectRoot, 'services/store/dist/bin/store.js'));

export interface StoreProcess {
  readonly child: ChildProcess;
  readonly client: StoreClient;
}

/** A store without authentication and broker, on a free port. */
export function forkStore(dataDir: string): Promise<StoreProcess> {
  const child = fork(bin, ['--no-auth', '--port', '0', '--data-dir', dataDir, '--log-level', 'fatal'], {
    env: { PATH: process.env.PATH, BROADCAST_TYPE: 'none', AUTH_URL: 'http://127.0.0.1:1' },
    execArgv: [],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  return new Promise((resolve, reject) => {
    child.on('exit', (code) => reject(new Error(`the store ended with ${code}`)));
    child.on('message', (message: { type?: string; info?: { url: string } }) => {
      if (message.type === 'ready' && message.info) resolve({ child, client: new StoreClient(message.info.url) });
    });
  });
}

export const killStore = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    child.removeAllListeners('exit');
    child.once('exit', () => resolve());
    child.kill('SIGKILL');
  });
