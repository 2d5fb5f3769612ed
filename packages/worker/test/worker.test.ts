import fs from 'node:fs';
import path from 'node:path';
import { backends, eventually, type TestDatabase } from '@cl-server/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type TestPlatform, testPlatform } from './support/platform.js';

describe.each(backends())('a worker on $name', ({ create }) => {
  let store: TestDatabase;
  let platform: TestPlatform;
  beforeEach(async () => {
    store = await create();
    platform = await testPlatform({ url: store.url, plugins: ['noop', 'probe'] });
  });
  afterEach(async () => {
    await platform.close();
    await store.drop();
  });

  it('runs jobs to their ends: output, files, nothing left in scratch', async () => {
    const worker = platform.start();
    expect(await worker.ready).toEqual({ worker_id: 'w1', tasks: ['noop', 'probe'] });
    const id = await platform.add('probe', { action: 'ok' });
    const job = await platform.ended(id);
    expect(job).toMatchObject({
      status: 'completed',
      progress: 100,
      committed_attempt: 1,
      task_output: { attempt: 1 },
    });
    expect((await platform.jobs.storage.read(job, 'output/result.txt', 100)).toString()).toBe('by attempt 1');
    expect(fs.existsSync((job.task_output as { scratch: string }).scratch)).toBe(false);
    await eventually(() =>
      fs.readdirSync(path.join(platform.dataDir, 'scratch')).every((name) => {
        return fs.readdirSync(path.join(platform.dataDir, 'scratch', name)).length === 0;
      }),
    );
  });
});
