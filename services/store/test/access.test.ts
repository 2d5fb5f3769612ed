import type { SignedUrls, StorageUse, StorePreferences } from '@cl-server/contract';
import { type Logger, migrate, noRevocations, openDatabase, silentLogger } from '@cl-server/service-kit';
import { backends } from '@cl-server/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type StoreTables, storeMigrations } from '../src/index.js';
import { startStore, type TestStore } from './support/store.js';
import { ADMIN, READER, tokenOf, WRITER, WRITER_ONLY } from './support/tokens.js';

const NOBODY = tokenOf('9');
const [backend] = backends();

describe('permissions', () => {
  let store: TestStore;
  let now = Date.now();
  const minVersions = new Map<string, number>();
  let known = true;
  beforeAll(async () => {
    if (!backend) throw new Error('no database');
    const revocations = {
      ...noRevocations,
      minVersion: (id: string) => minVersions.get(id) ?? 0,
      isKnown: () => known,
    };
    store = await startStore(backend, { now: () => now, revocations });
  });
  afterAll(() => store.stop());

  const outcome = async (method: string, target: string, token: string | null, form?: Record<string, string>) => {
    const { status, json, headers } = await store.call<{ detail?: string } | undefined>(method, target, {
      token,
      ...(form && { form }),
    });
    return { status, detail: json?.detail, challenge: headers.get('www-authenticate') };
  };
  const guestMode = (on: boolean) =>
    store.call('PUT', '/admin/pref/guest-mode', { token: ADMIN, form: { guest_mode: String(on) } });

  it('lets guests read if an admin allowed it, but refuses an invalid token; writing needs the permission', async () => {
    await store.collection('c');
    await guestMode(true);
    expect((await outcome('GET', '/entities', null)).status).toBe(200);
    expect(await outcome('GET', '/entities', 'not.a.valid.token')).toMatchObject({
      status: 401,
      detail: 'Could not validate credentials',
      challenge: 'Bearer',
    });
    expect(await outcome('GET', '/entities', tokenOf('7', { exp: 1000 }))).toMatchObject({
      status: 401,
      detail: 'JWT token has expired',
    });
    const form = { is_collection: 'true', label: 'x' };
    expect(await outcome('POST', '/entities', null, form)).toMatchObject({
      status: 401,
      detail: 'Authentication required',
    });
    expect(await outcome('POST', '/entities', READER, form)).toMatchObject({
      status: 403,
      detail: 'Insufficient permissions. Required: media_store_write',
    });
    expect((await outcome('POST', '/entities', ADMIN, form)).status).toBe(201);
    await guestMode(false);
  });

  it.each([
    ['GET', '/admin/pref'],
    ['GET', '/admin/config'],
    ['PUT', '/admin/pref/guest-mode'],
    ['GET', '/system/audit'],
    ['POST', '/system/clear-orphans'],
    ['POST', '/system/purge-trash'],
    ['GET', '/system/storage'],
    ['GET', '/m_insight/status'],
  ])('keeps %s %s for admins', async (method, target) => {
    expect(await outcome(method, target, null)).toMatchObject({ status: 401, detail: 'Authentication required' });
    expect(await outcome(method, target, WRITER)).toMatchObject({
      status: 403,
      detail: 'Insufficient permissions. Admin access required',
    });
  });

  it('needs the permission to read for entities, media and previews, unless guest mode is on', async () => {
    const media = await store.media();
    await guestMode(true);
    expect((await store.get<{ guestMode: string }>('/', { token: null })).json.guestMode).toBe('on');
    expect((await guestMode(false)).json).toEqual({
      guest_mode: false,
      message: 'Configuration updated successfully',
    });
    const { json: preferences } = await store.get<StorePreferences>('/admin/config', { token: ADMIN });
    expect(preferences).toMatchObject({ guest_mode: false, updated_by: '1', updated_at: expect.any(Number) });
    expect((await store.get<{ guestMode: string }>('/', { token: null })).json.guestMode).toBe('off');
    for (const target of [
      '/entities',
      `/entities/${media.id}`,
      `/entities/${media.id}/media`,
      '/entities/lookup?md5=0',
    ]) {
      expect(await outcome('GET', target, null)).toMatchObject({ status: 401 });
      expect(await outcome('GET', target, WRITER_ONLY)).toMatchObject({
        status: 403,
        detail: 'Insufficient permissions. Required: media_store_read',
      });
      expect([200, 404]).toContain((await outcome('GET', target, READER)).status);
    }
    expect((await outcome('GET', '/entities', NOBODY)).status).toBe(403);
  });

  it('serves the files of one entity to any client with its signed URL, for a limited time', async () => {
    const media = await store.media({}, Buffer.from('for a browser'));
    const other = await store.media();
    const { json: urls } = await store.call<SignedUrls>('POST', `/entities/${media.id}/signed-urls`, {
      token: READER,
      form: { expires_in: '60' },
    });
    const open = (target: string) => store.get(target, { token: null });
    expect((await open(urls.media)).text).toBe('for a browser');
    expect((await open(urls.media.replace(String(media.id), String(other.id)))).status).toBe(401);
    expect((await open(urls.media.replace(/expires=\d+/, `expires=${urls.expires_at + 1}`))).status).toBe(401);
    expect((await open(`${urls.media.slice(0, -1)}${urls.media.endsWith('A') ? 'B' : 'A'}`)).status).toBe(401);
    expect((await open(urls.media.replace('/media', ''))).status).toBe(401);
    // The URL opens no other kind of file, no URL of another signer and no file of an earlier version.
    expect((await open(urls.media.replace('/media', '/preview'))).status).toBe(401);
    expect((await open(urls.preview.replace('/preview', '/media'))).status).toBe(401);
    expect((await open(urls.media.replace('/media', '/stream/adaptive.m3u8'))).status).toBe(401);
    expect((await open(urls.media.replace('signer=8.0', 'signer=1.0'))).status).toBe(401);
    expect((await open(`${urls.media}&version=1`)).status).toBe(401);
    expect((await open(`${urls.media}&signature=x`)).status).toBe(401);
    now += 61_000;
    expect((await open(urls.media)).status).toBe(401);
    expect((await store.call('POST', `/entities/${media.id}/signed-urls`, { token: null })).status).toBe(401);
  });

  it('refuses a signed URL when its entity is in the trash or its signer has lost the permission', async () => {
    const folder = await store.collection('to be trashed');
    const media = await store.media({ parent_id: String(folder.id) });
    const sign = async (token: string | null) =>
      (await store.call<SignedUrls>('POST', `/entities/${media.id}/signed-urls`, { token })).json.media;
    const open = async (target: string) => (await store.get(target, { token: null })).status;
    let [byReader, byAdmin] = [await sign(READER), await sign(ADMIN)];
    expect([await open(byReader), await open(byAdmin)]).toEqual([200, 200]);
    for (const id of [media.id, folder.id]) {
      await store.patch(id, { is_deleted: 'true' });
      expect([await open(byReader), await open(byAdmin)]).toEqual([404, 404]);
      await store.patch(id, { is_deleted: 'false' });
      expect(await open(byReader)).toBe(200);
    }
    // Another file ends what was signed for the one before.
    const image = { name: 'b.bin', bytes: Buffer.from('another file') };
    await store.call('PUT', `/entities/${media.id}`, { form: { is_collection: 'false', label: 'other', image } });
    expect([await open(byReader), await open(byAdmin)]).toEqual([401, 401]);
    [byReader, byAdmin] = [await sign(READER), await sign(ADMIN)];
    minVersions.set('8', 1);
    expect([await open(byReader), await open(byAdmin)]).toEqual([401, 200]);
    minVersions.delete('8');
    known = false;
    expect(await open(byAdmin)).toBe(503);
    known = true;
    // A URL that a guest signed, or a user without the right, gives the rights of a guest.
    await guestMode(true);
    const byGuests = [await sign(null), await sign(NOBODY)];
    for (const target of byGuests) expect(await open(target)).toBe(200);
    await guestMode(false);
    for (const target of byGuests) expect(await open(target)).toBe(401);
  });

  it('deletes old entities from the trash', async () => {
    const old = await store.collection('old');
    const inside = await store.media({ parent_id: String(old.id) });
    await store.patch(old.id, { is_deleted: 'true' });
    now += 10 * 86_400_000;
    const young = await store.collection('young');
    await store.patch(young.id, { is_deleted: 'true' });
    const purge = await store.call('POST', '/system/purge-trash', { token: ADMIN, form: { days: '5' } });
    expect(purge.json).toMatchObject({ entities_deleted: 2, bytes_freed: inside.file_size });
    expect((await store.get(`/entities/${inside.id}`)).status).toBe(404);
    expect((await store.get(`/entities/${young.id}`)).status).toBe(200);
  });
});

describe.each(backends())('reading before an admin decided, on $name', (place) => {
  it('needs a login in a new database, and follows the setting if there is one', async () => {
    for (const [readAuth, status] of [
      [undefined, 401],
      [true, 401],
      [false, 200],
    ] as const) {
      const store = await startStore(place, { readAuth });
      expect([readAuth, (await store.get('/entities', { token: null })).status]).toEqual([readAuth, status]);
      await store.stop();
    }
  });

  it('needs no login in a database that is older than this rule, and logs that', async () => {
    const { url, drop } = await place.create();
    const database = openDatabase<StoreTables>(url, { schema: 'store' });
    // The release before migration 0003.
    const earlier = storeMigrations.migrations.filter(({ name }) => name < '0003');
    await migrate(database, { ...storeMigrations, migrations: earlier });
    await database.close();
    const warned: string[] = [];
    const logger = { ...silentLogger(), warn: (...parts: unknown[]) => void warned.push(String(parts.at(-1))) };
    const existing = { ...place, create: async () => ({ url, drop: async () => undefined }) };
    const asked = async (readAuth?: boolean): Promise<[number, string]> => {
      const store = await startStore(existing, { logger: logger as Logger, readAuth });
      const { status } = await store.get('/entities', { token: null });
      const { json } = await store.get<{ guestMode: string }>('/', { token: null });
      await store.stop();
      return [status, json.guestMode];
    };
    expect(await asked()).toEqual([200, 'on']);
    expect(warned).toEqual([expect.stringMatching(/made when reading was open by default.*guest_mode=false/)]);
    expect(await asked(true)).toEqual([401, 'off']);
    await drop();
  });
});

describe.each(backends())('limits on $name', (place) => {
  let store: TestStore;
  beforeAll(async () => {
    store = await startStore(place, { limits: { userBytes: 2_500, totalBytes: 4_000 } });
  });
  afterAll(() => store.stop());

  it('enforces the limits of each user and of the platform, also for parallel uploads', async () => {
    const replies = await Promise.all(
      Array.from({ length: 6 }, (_, i) => store.upload(Buffer.alloc(1_000, i), `${i}`)),
    );
    expect(replies.map(({ status }) => status).sort()).toEqual([201, 201, 413, 413, 413, 413]);
    const refused = replies.find(({ status }) => status === 413);
    expect(refused?.json).toMatchObject({ code: 'quota_exceeded', detail: expect.stringContaining('Your share') });
    const form = (fill: number) => ({
      is_collection: 'false',
      media_file: { name: 'a', bytes: Buffer.alloc(1_000, fill) },
    });
    expect((await store.call('POST', '/entities', { token: ADMIN, form: form(100) })).status).toBe(201);
    expect((await store.call('POST', '/entities', { token: ADMIN, form: form(101) })).status).toBe(201);
    const full = await store.call('POST', '/entities', {
      token: tokenOf('5', { permissions: ['media_store_write'] }),
      form: form(102),
    });
    expect([full.status, full.json]).toMatchObject([507, { code: 'storage_full' }]);
    expect(store.files()).toHaveLength(4);
    const { json: use } = await store.get<StorageUse>('/system/storage', { token: ADMIN });
    expect(use).toMatchObject({ files: 4, bytes: 4_000, entities: 4, deleted_entities: 0 });
    expect(use.users.map(({ user_id, bytes, quota }) => [user_id, bytes, quota]).sort()).toEqual([
      ['1', 2_000, 2_500],
      ['7', 2_000, 2_500],
    ]);
    // A permanently deleted file frees its space.
    const [kept] = replies.filter(({ status }) => status === 201);
    const id = kept?.json.id ?? 0;
    await store.patch(id, { is_deleted: 'true' });
    await store.remove(id);
    expect((await store.upload(Buffer.alloc(900, 200))).status).toBe(201);
  });
});

describe('without authentication', () => {
  it('allows everything to every client, and records no user', async () => {
    if (!backend) throw new Error('no database');
    const store = await startStore(backend, { noAuth: true });
    try {
      const form = { is_collection: 'true', label: 'x' };
      expect((await store.call('POST', '/entities', { token: null, form })).json.added_by).toBeNull();
      expect((await store.call('POST', '/entities', { token: 'rubbish', form })).status).toBe(201);
      expect((await store.call('POST', '/entities', { token: WRITER, form })).json.added_by).toBeNull();
      expect((await store.get('/system/audit', { token: null })).status).toBe(200);
    } finally {
      await store.stop();
    }
  });
});
