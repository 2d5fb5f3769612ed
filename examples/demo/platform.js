// The platform that the demo uses: the running one, if its password is known; otherwise a new one on free ports.
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { ClServer } from '@cl-server/client';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');

/**
 * @typedef {object} Platform
 * @property {ClServer} cl logged in
 * @property {boolean} own whether it was started here
 * @property {() => Promise<void>} stop ends the platform that was started here
 */

async function running(env) {
  if (!env.ADMIN_PASSWORD) return undefined;
  const cl = new ClServer({ env });
  try {
    await cl.session.login(env.ADMIN_USERNAME || 'admin', env.ADMIN_PASSWORD);
    return { cl, own: false, stop: () => cl.close() };
  } catch {
    await cl.close();
    return undefined;
  }
}

/** Waits until the server reports over IPC that it is ready, and its addresses. */
const untilReady = (server) =>
  new Promise((resolve, reject) => {
    let said = '';
    server.stdout.setEncoding('utf8').on('data', (text) => {
      said = (said + text).slice(-2_000);
    });
    server.on('message', (message) => message?.type === 'ready' && resolve(message.info));
    server.on('exit', () => reject(new Error(`the platform did not start:\n${said}`)));
  });

async function started(dataDir) {
  fs.rmSync(dataDir, { recursive: true, force: true });
  const password = randomBytes(12).toString('base64url');
  const ports = ['--auth-port', '0', '--store-port', '0', '--compute-port', '0', '--mqtt-ws-port', '0'];
  const server = spawn(
    process.execPath,
    [path.join(root, 'apps/server/bin/cl-server.js'), 'start', '--data-dir', dataDir, '--workers', '1', ...ports],
    {
      // The server is asked over IPC to drain, and ends by itself if the demo is killed.
      stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
      // Without a broker: the default port may be in use by another platform, and progress is also available over HTTP.
      env: { ...process.env, ADMIN_PASSWORD: password, BROADCAST_TYPE: 'none' },
    },
  );
  const gone = new Promise((resolve) => server.on('exit', resolve));
  const urls = await untilReady(server);
  const cl = new ClServer({ urls });
  await cl.session.login('admin', password);
  return {
    cl,
    own: true,
    stop: async () => {
      await cl.close();
      server.send({ type: 'drain' });
      await gone;
    },
  };
}

/**
 * @param {string} dataDir for a platform of its own
 * @param {NodeJS.ProcessEnv} env
 * @returns {Promise<Platform>}
 */
export const usePlatform = async (dataDir, env) => (await running(env)) ?? (await started(dataDir));
