/** A worker that would harm jobs does not touch them. */
import fs from 'node:fs';
import path from 'node:path';
import { silentLogger } from '@cl-server/service-kit';
import { eventually } from '@cl-server/testing';
import { describe, expect, it } from 'vitest';
import { Permission } from '../src/engine/permission.js';
import { testPlatform } from './support/platform.js';

describe('a worker', () => {
  it('whose folder is not that of the services claims nothing, says so once, and harms no job', async () => {
    const platform = await testPlatform({ plugins: ['noop'] });
    try {
      expect(await platform.jobs.identity.mismatch()).toBeUndefined(); // as a service does at its start
      const elsewhere = path.join(platform.dataDir, 'elsewhere');
      fs.mkdirSync(elsewhere);
      const stranger = platform.start({ id: 'stranger', env: { COMPUTE_STORAGE_DIR: elsewhere } });
      await stranger.ready;
      const ids = await Promise.all(Array.from({ length: 12 }, () => platform.add('noop')));
      await eventually(() => stranger.output().includes('this worker claims no jobs'), { what: 'its word' });
      const own = platform.start({ id: 'own', args: ['--concurrency', '1'] });
      for (const id of ids) expect(await platform.ended(id)).toMatchObject({ status: 'completed', retry_count: 0 });
      expect(stranger.output().match(/this worker claims no jobs/g)).toHaveLength(1);
      expect(stranger.output()).toContain('give every process the same folder');
      expect(own.output()).not.toContain('claims no jobs');
    } finally {
      await platform.close();
    }
  });

  it('whose clock is off by more than a quarter of a lease claims nothing until the clock is set', async () => {
    let skew = 5_100;
    let clock = 0;
    const permission = new Permission({
      folderMismatch: async () => undefined,
      skew: async () => skew,
      leaseMs: 20_000,
      logger: silentLogger(),
      monotonic: () => clock,
    });
    expect(await permission.refusal()).toMatch(/5\.1 s ahead of the database/);
    skew = -6_000;
    clock += 5_000;
    expect(await permission.refusal()).toMatch(/6\.0 s behind the database/);
    skew = 4_900;
    expect(await permission.refusal()).toMatch(/behind/); // not asked again at once
    clock += 5_000;
    expect(await permission.refusal()).toBeUndefined();
  });
});
