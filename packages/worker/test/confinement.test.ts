/** Checks what a task can reach beyond its own folders, with real workers and a plugin that tries. */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type TestPlatform, testPlatform } from './support/platform.js';

/** Whether this system lets a user make namespaces, and has the programs for it. */
const hasNamespaces = ((): boolean => {
  try {
    execFileSync('unshare', ['-Urmn', '--', 'setpriv', '--bounding-set=-all', '--inh-caps=-all', 'true'], {
      stdio: 'ignore',
    });
    return true;
  } catch {
    return false;
  }
})();

describe('a task that looks for keys, databases and the network', () => {
  let platform: TestPlatform;
  let server: net.Server;
  beforeEach(async () => {
    platform = await testPlatform({ plugins: ['spy'] });
    fs.writeFileSync(path.join(platform.dataDir, 'private_key.pem'), 'secret');
    server = net.createServer((socket) => socket.destroy());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  afterEach(async () => {
    server.close();
    await platform.close();
  });

  const spy = async (
    env: Record<string, string>,
    priority?: number,
  ): Promise<{ got: string[]; output: string; wrote: string }> => {
    const worker = platform.start({ env: { MODELS_DOWNLOAD: 'never', ...env } });
    if (priority !== undefined) os.setPriority(Number(worker.child.pid), priority);
    await worker.ready;
    const { port } = server.address() as net.AddressInfo;
    const id = await platform.add('spy', { folder: platform.dataDir, port, output_path: 'output/spy.txt' });
    const job = await platform.ended(id);
    expect([job.status, job.error_message]).toEqual(['completed', null]);
    const { got } = job.task_output as { got: string[] };
    const file = await platform.jobs.storage.localFile(job, 'output/spy.txt');
    return { got, output: worker.output(), wrote: fs.readFileSync(file, 'utf8') };
  };

  it.runIf(hasNamespaces)('gets none of them, and its results are kept', async () => {
    expect(await spy({})).toMatchObject({ got: [], wrote: 'x' });
  });

  it.runIf(hasNamespaces)('is run under a worker of a low priority, too', async () => {
    expect(await spy({}, os.constants.priority.PRIORITY_LOW)).toMatchObject({ got: [], wrote: 'x' });
  });

  it.runIf(hasNamespaces)('gets the network alone where the owner allows it', async () => {
    expect((await spy({ TASK_CONFINEMENT: 'files' })).got).toEqual(['network']);
  });

  it('gets them where the owner does not want tasks to be confined', async () => {
    const { got } = await spy({ TASK_CONFINEMENT: 'off' });
    expect(got).toEqual(expect.arrayContaining(['key', 'key by a program', 'database', 'network']));
  });
});
