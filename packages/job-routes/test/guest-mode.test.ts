import { type JobTables, jobMigrations, openJobs } from '@cl-server/jobs';
import { migrate, noBroadcaster, openDatabase, silentLogger } from '@cl-server/service-kit';
import { backends, tempDir } from '@cl-server/testing';
import { describe, expect, it } from 'vitest';
import { GuestMode } from '../src/index.js';

describe.each(backends())('guest mode ($name)', (backend) => {
  it('is off at first, told with who set it, and seen by every process within two seconds', async () => {
    const created = await backend.create();
    const dir = tempDir();
    const database = openDatabase<JobTables>(created.url, { schema: 'jobs' });
    await migrate(database, jobMigrations);
    const jobs = openJobs({ database, storageDir: dir.path, broadcaster: noBroadcaster, logger: silentLogger() });
    let now = 1000;
    const here = new GuestMode({ preferences: jobs.preferences, now: () => now });
    const elsewhere = new GuestMode({ preferences: jobs.preferences, now: () => now });
    expect(await elsewhere.isOn()).toBe(false);
    expect(await here.read()).toEqual({ guest_mode: false, updated_at: null, updated_by: null });
    await here.set(true, '1');
    expect(await here.isOn()).toBe(true);
    expect(await here.read()).toMatchObject({ guest_mode: true, updated_at: expect.any(Number), updated_by: '1' });
    now += 1_999;
    expect(await elsewhere.isOn()).toBe(false);
    now += 1;
    expect(await elsewhere.isOn()).toBe(true);
    await jobs.close();
    await database.close();
    await created.drop();
    dir.remove();
  });
});
