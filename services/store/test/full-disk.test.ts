/** A full disk: requests fail with the reason, no partial file stays, and everything works again when there is space. */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import type { AuditReport } from '@cl-server/contract';
import { tempDir } from '@cl-server/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { forkStore, isBuilt, killStore, type StoreProcess } from './support/process.js';

/** A file system of a few megabytes. @throws Error if this user may not create one */
const mountSmall = (folder: string): Buffer =>
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'none', folder], { stdio: 'pipe' });
const unmount = (folder: string): Buffer => execFileSync('umount', [folder]);

function mayMount(): boolean {
  const dir = tempDir('cl-full-');
  try {
    mountSmall(dir.path);
    unmount(dir.path);
    return true;
  } catch {
    process.stderr.write('skipped: a full disk needs the right to mount one\n');
    return false;
  } finally {
    dir.remove();
  }
}

describe.runIf(isBuilt && mayMount())('a store on a full disk', () => {
  const dir = tempDir('cl-full-');
  let running: StoreProcess;
  const ballast = path.join(dir.path, 'ballast');
  beforeAll(async () => {
    mountSmall(dir.path);
    running = await forkStore(dir.path);
  });
  afterAll(async () => {
    await killStore(running.child);
    unmount(dir.path);
    dir.remove();
  });

  const fill = (): void => {
    const handle = fs.openSync(ballast, 'w');
    const block = Buffer.alloc(4096, 1);
    try {
      for (;;) fs.writeSync(handle, block);
    } catch (error) {
      expect(error).toMatchObject({ code: 'ENOSPC' });
    } finally {
      fs.closeSync(handle);
    }
  };
  const refused = { status: 507, json: { code: 'storage_full', detail: expect.stringContaining('no space left') } };

  it('refuses a file that is larger than the free space, and leaves nothing behind', async () => {
    const { client } = running;
    expect(await client.upload(randomBytes(30_000_000))).toMatchObject(refused);
    expect(fs.readdirSync(path.join(dir.path, 'media', '.incoming'))).toEqual([]);
    const begun = await client.call('POST', '/uploads', {
      headers: { 'tus-resumable': '1.0.0', 'upload-length': '30000000' },
    });
    expect(begun).toMatchObject(refused);
    expect(fs.readdirSync(path.join(dir.path, 'media', '.uploads'))).toEqual([]);
    expect((await client.media()).id).toBeGreaterThan(0);
  });

  it('refuses every write with the reason while the disk is full, still reads, and writes again later', async () => {
    const { client } = running;
    const kept = await client.media({}, randomBytes(100_000));
    fill();
    const writes = await Promise.all([
      client.upload(randomBytes(50_000)),
      client.call('POST', '/entities', { form: { is_collection: 'true', label: 'c' } }),
      client.patch(kept.id, { label: 'x' }),
      client.call('POST', '/uploads', { headers: { 'tus-resumable': '1.0.0', 'upload-length': '1000' } }),
      client.call('POST', '/jobs/hash', { form: { file: { name: 'a', bytes: randomBytes(50_000) } } }),
    ]);
    for (const reply of writes) {
      expect(reply.status).toBe(507);
      expect(JSON.parse(reply.text)).toMatchObject(refused.json);
      expect(reply.text).not.toContain(dir.path);
    }
    expect((await client.get(`/entities/${kept.id}`)).json).toEqual(kept);
    expect((await client.get(`/entities/${kept.id}/media`)).bytes).toHaveLength(100_000);
    fs.rmSync(ballast);
    expect((await client.patch(kept.id, { label: 'y' })).json).toMatchObject({ label: 'y', version: 2 });
    expect((await client.collection('c')).id).toBe(kept.id + 1);
    const { json: audit } = await client.get<AuditReport>('/system/audit?verify=true');
    expect(audit).toMatchObject({ orphaned_files: [], missing_files: [], damaged_files: [] });
  });
});
