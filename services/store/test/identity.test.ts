/** A store whose folder and database do not belong together destroys nothing. */
import fs from 'node:fs';
import path from 'node:path';
import { backends, eventually, tempDir } from '@cl-server/testing';
import { describe, expect, it } from 'vitest';
import { forkStore, isBuilt, killStore } from './support/process.js';
import { startStore, type TestStore } from './support/store.js';
import { ADMIN } from './support/tokens.js';

const PHOTOS = 24;
const DAY = 86_400_000;

const clear = (store: TestStore, query = '') =>
  store.call<Record<string, unknown>>('POST', `/system/clear-orphans${query}`, { token: ADMIN });
const readiness = async (store: TestStore) =>
  (await store.get<{ checks: Record<string, { ok: boolean; message?: string }> }>('/readyz')).json.checks['identity'];

describe.each(backends())('a store on $name', (backend) => {
  it('with an empty database and a full folder only reads, reports the mismatch, and neither writes nor deletes', async () => {
    const library = await startStore(backend);
    for (let made = 0; made < PHOTOS; made++) await library.media();
    const originals = library.files().sort();
    const other = await startStore(backend, { mediaDir: library.mediaDir });
    try {
      expect(await readiness(other)).toMatchObject({ ok: false, message: expect.stringContaining('store adopt') });
      const refused = await clear(other, '?confirm=true');
      expect([refused.status, refused.json['code']]).toEqual([409, 'storage_mismatch']);
      const upload = await other.upload(Buffer.from('a new photo'));
      expect([upload.status, upload.headers.get('retry-after')]).toEqual([503, '60']);
      expect((await other.list()).items).toEqual([]);
      await other.restart();
      expect(library.files().sort()).toEqual(originals);
      expect(await readiness(library)).toEqual({ ok: true });
    } finally {
      await other.stop();
      await library.stop();
    }
  });

  it('refuses uploads while its folder is not mounted, and accepts them when it is back', async () => {
    const store = await startStore(backend);
    try {
      const kept = await store.media();
      const elsewhere = `${store.mediaDir}.unmounted`;
      fs.renameSync(store.mediaDir, elsewhere);
      fs.mkdirSync(path.join(store.mediaDir, '.incoming'), { recursive: true });
      await eventually(async () => (await readiness(store))?.ok === false, { what: 'the mismatch' });
      expect((await store.upload(Buffer.from('lost'))).status).toBe(503);
      expect(store.files()).toEqual([]);
      fs.rmSync(store.mediaDir, { recursive: true });
      fs.renameSync(elsewhere, store.mediaDir);
      await eventually(async () => (await readiness(store))?.ok === true, { what: 'the folder' });
      expect((await store.get(`/entities/${kept.id}/media`)).status).toBe(200);
      expect((await store.upload(Buffer.from('found'))).status).toBe(201);
    } finally {
      await store.stop();
    }
  });

  it('asks before it sets many files aside, keeps them for the grace period, then removes them', async () => {
    let now = Date.now();
    const store = await startStore(backend, { orphanGraceMs: 7 * DAY, now: () => now });
    try {
      await store.media();
      const orphans = Array.from({ length: PHOTOS }, (_, index) => `${String(index).padStart(32, 'a')}/photo.jpg`);
      for (const orphan of orphans) {
        fs.mkdirSync(path.join(store.mediaDir, path.dirname(orphan)));
        fs.writeFileSync(path.join(store.mediaDir, orphan), orphan);
      }
      const asked = await clear(store);
      expect([asked.status, asked.json]).toMatchObject([
        409,
        { code: 'confirm_needed', orphaned_files: PHOTOS, known_files: 1 },
      ]);
      expect(store.files()).toHaveLength(PHOTOS + 1);
      expect((await clear(store, '?confirm=true')).json['files_deleted']).toBe(PHOTOS);
      expect(store.files()).toHaveLength(1);
      const aside = path.join(store.mediaDir, '.orphans');
      const [round = ''] = fs.readdirSync(aside);
      for (const orphan of orphans) expect(fs.readFileSync(path.join(aside, round, orphan), 'utf8')).toBe(orphan);
      now += 6 * DAY;
      await store.restart();
      expect(fs.readdirSync(aside)).toEqual([round]);
      now += 2 * DAY;
      await store.restart();
      await eventually(() => fs.readdirSync(aside).length === 0, { what: 'the end of the time of grace' });
    } finally {
      await store.stop();
    }
  });
});

describe.runIf(isBuilt)('a second store on one media folder', () => {
  it('does not start while another store runs, and starts when that was killed', async () => {
    const dir = tempDir('cl-second-');
    try {
      const first = await forkStore(dir.path);
      await expect(forkStore(dir.path)).rejects.toThrow('the store ended with 1');
      expect((await first.client.get('/livez')).status).toBe(200);
      await killStore(first.child);
      await killStore((await forkStore(dir.path)).child);
    } finally {
      dir.remove();
    }
  });
});
