import { StartupError } from '@cl-server/service-kit';
import { tempDir } from '@cl-server/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { agreeOnJobDatabase, jobDatabaseUrl } from '../src/job-database.js';

describe('the database of the jobs', () => {
  let dir: ReturnType<typeof tempDir>;
  beforeEach(() => {
    dir = tempDir();
  });
  afterEach(() => dir.remove());

  it('is the most specific that was named, else store.db in the data folder', () => {
    const all = { workerDatabaseUrl: 'sqlite:///w', storeDatabaseUrl: 'sqlite:///s', databaseUrl: 'sqlite:///d' };
    expect(jobDatabaseUrl(all, '/data')).toBe('sqlite:///w');
    expect(jobDatabaseUrl({ ...all, workerDatabaseUrl: undefined }, '/data')).toBe('sqlite:///s');
    expect(jobDatabaseUrl({ databaseUrl: 'sqlite:///d' }, '/data')).toBe('sqlite:///d');
    expect(jobDatabaseUrl({}, '/data')).toBe('sqlite:///data/store.db');
  });

  it('is one for all who share a data folder; the first decides, and no password is written down', () => {
    const url = 'postgres://user:secret@db.example/media';
    agreeOnJobDatabase(url, dir.path);
    agreeOnJobDatabase('postgres://other:word@db.example:5432/media', dir.path);
    const differ = (): void => agreeOnJobDatabase('postgres://user:secret@db.example/other', dir.path);
    expect(differ).toThrow(StartupError);
    expect(differ).toThrow(/postgres:\/\/db\.example:5432\/media, not in postgres:\/\/db\.example:5432\/other/);
    expect(differ).not.toThrow(/secret/);
  });

  it('may be a file in the folder, however it is spelt', () => {
    agreeOnJobDatabase(`sqlite://${dir.path}/store.db`, dir.path);
    agreeOnJobDatabase(`sqlite:///${dir.path}/./store.db`, dir.path);
    expect(() => agreeOnJobDatabase(`sqlite://${dir.path}/compute.db`, dir.path)).toThrow(
      /store\.db, not in compute\.db/,
    );
  });
});
