/** Options of existing launchers and scripts: all are accepted, and those without a meaning give one warning. */
import { fork } from 'node:child_process';
import path from 'node:path';
import { projectRoot, tempDir } from '@cl-server/testing';
import { describe, expect, it } from 'vitest';
import { isBuilt } from './support/process.js';

interface Line {
  readonly level: string;
  readonly msg: string;
}

/** Starts a program, waits until it is ready, stops it. @returns what it logged, and how it ended */
async function run(bin: string, dataDir: string, flags: readonly string[]) {
  const child = fork(path.join(projectRoot, 'services/store/bin', bin), [...flags], {
    env: { PATH: process.env.PATH, CL_SERVER_DIR: dataDir, BROADCAST_TYPE: 'none', AUTH_URL: 'http://127.0.0.1:1' },
    execArgv: [],
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  let out = '';
  for (const stream of [child.stdout, child.stderr]) stream?.setEncoding('utf8').on('data', (text) => (out += text));
  child.on('message', (message: { type?: string }) => {
    if (message.type === 'ready') child.send({ type: 'drain' });
  });
  const code = await new Promise((resolve) => child.once('close', resolve));
  const lines = out.split('\n').filter((line) => line.startsWith('{'));
  return { code, out, log: lines.map((line) => JSON.parse(line) as Line) };
}

const QDRANT = ['--qdrant-url', 'http://q:1', '--qdrant-collection', 'c', '--face-collection', 'f'];
const LOGIN = ['--dino-collection', 'd', '--compute-username', 'admin', '--compute-password', 'admin'];

describe.runIf(isBuilt)('earlier options', () => {
  it('start the store, with one warning about ignored options', async () => {
    using dir = tempDir();
    const place = ['-p', '0', '--host', '127.0.0.1', '--log-level', 'info'];
    const broker = ['--mqtt-server', '127.0.0.1', '--mqtt-port', '1'];
    const { code, out, log } = await run('store.js', dir.path, [
      ...place,
      ...broker,
      ...[
        '--no-auth',
        '--reload',
        '--debug',
        '--auth-url',
        'http://127.0.0.1:1',
        '--compute-url',
        'http://127.0.0.1:1',
      ],
      ...QDRANT,
      ...LOGIN,
    ]);
    expect(code, out).toBe(0);
    expect(log.filter(({ level, msg }) => level === 'warn' && msg.includes('Qdrant'))).toHaveLength(1);
  });

  it('start the insight worker', async () => {
    using dir = tempDir();
    const { code, out } = await run('m-insight-worker.js', dir.path, [
      ...[
        '--migrate',
        '-i',
        'one',
        '-l',
        'info',
        '--store-port',
        '8011',
        '-t',
        'store/8011/items',
        '-u',
        'mqtt://127.0.0.1:1',
        '--no-auth',
      ],
      ...['--face-vector-size', '512', '--face-embedding-threshold', '0.5', '--auth-url', 'http://127.0.0.1:1'],
      ...QDRANT,
      ...LOGIN,
    ]);
    expect(code, out).toBe(0);
  });
});
