/** The process is killed at random moments of uploads: nothing that was acknowledged is lost, nothing half done is seen. */
import { type ChildProcess, fork } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { AuditReport } from '@cl-server/contract';
import { projectRoot, tempDir } from '@cl-server/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { StoreClient } from './support/store.js';

/** The full number is for nightly runs. */
const KILLS = Number(process.env.CL_STORE_KILLS ?? 12);
const bin = path.join(projectRoot, 'services/store/bin/store.js');
const isBuilt = fs.existsSync(path.join(projectRoot, 'services/store/dist/bin/store.js'));

interface Running {
  readonly child: ChildProcess;
  readonly client: StoreClient;
}

function start(dataDir: string): Promise<Running> {
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

const end = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    child.removeAllListeners('exit');
    child.once('exit', () => resolve());
    child.kill('SIGKILL');
  });

describe.runIf(isBuilt)('a store that is killed while it takes uploads', () => {
  const dir = tempDir('cl-crash-');
  let running: Running;
  beforeAll(async () => {
    running = await start(dir.path);
  });
  afterAll(async () => {
    await end(running.child);
    dir.remove();
  });

  it(`loses nothing and shows nothing half done, ${KILLS} times`, async () => {
    const acknowledged = new Map<number, string>();
    for (let round = 0; round < KILLS; round++) {
      const uploads = Array.from({ length: 6 }, async () => {
        const bytes = randomBytes(200_000);
        const reply = await running.client.upload(bytes).catch(() => undefined);
        if (reply?.status === 201) acknowledged.set(reply.json.id, createHash('sha256').update(bytes).digest('hex'));
      });
      // Somewhere from the first bytes to the last answer.
      await pause(Math.random() * 120);
      await end(running.child);
      await Promise.all(uploads);
      running = await start(dir.path);
      const { json: audit } = await running.client.get<AuditReport>('/system/audit?verify=true');
      expect(audit).toMatchObject({ orphaned_files: [], missing_files: [], damaged_files: [] });
      expect(fs.readdirSync(path.join(dir.path, 'media', '.incoming'))).toEqual([]);
    }
    for (const [id, sha256] of acknowledged) {
      const { bytes } = await running.client.get(`/entities/${id}/media`);
      expect(createHash('sha256').update(bytes).digest('hex')).toBe(sha256);
    }
    const { pagination } = await running.client.list();
    expect(pagination.total_items).toBeGreaterThanOrEqual(acknowledged.size);
  }, 120_000);
});
