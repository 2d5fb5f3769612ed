/** The audit of files and rows that were made from media, and the clean-up of what it finds. */
import fs from 'node:fs';
import path from 'node:path';
import type { AuditReport, CleanupReport } from '@cl-server/contract';
import { type Database, openDatabase } from '@cl-server/service-kit';
import { backends } from '@cl-server/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { StoreTables } from '../src/index.js';
import { startStore, type TestStore } from './support/store.js';
import { ADMIN } from './support/tokens.js';

describe.each(backends())('the audit on $name', (backend) => {
  let store: TestStore;
  let database: Database<StoreTables>;
  beforeAll(async () => {
    store = await startStore(backend);
    database = openDatabase<StoreTables>(store.databaseUrl, { schema: 'store', synchronous: 'normal' });
  });
  afterAll(async () => {
    await database.close();
    await store.stop();
  });

  const audit = async (): Promise<AuditReport> =>
    (await store.get<AuditReport>('/system/audit', { token: ADMIN })).json;
  const clear = async (): Promise<CleanupReport> =>
    (await store.call<CleanupReport>('POST', '/system/clear-orphans', { token: ADMIN })).json;
  const put = (relative: string): string => {
    const file = path.join(store.mediaDir, relative);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, 'x');
    return relative;
  };
  const exists = (relative: string): boolean => fs.existsSync(path.join(store.mediaDir, relative));

  /** Inserts the rows that the insight worker writes for a face detection. */
  const detection = async (entity_id: number, status: 'processing' | 'completed'): Promise<void> => {
    const db = database.kysely;
    const row = { status, model: 'm', tries: 1, not_before: 0 };
    const insight = { sha256: 's', entity_version: 1, updated_at: 0, status: 'completed' } as const;
    await db
      .insertInto('insights')
      .values({ entity_id, ...insight })
      .execute();
    await db
      .insertInto('inferences')
      .values({ entity_id, task_type: 'face_detection', subject: '', ...row })
      .execute();
  };
  const face = async (entity_id: number, file_path: string): Promise<number> => {
    const box = { bbox: '{"x1":0,"y1":0,"x2":1,"y2":1}', landmarks: '{}', confidence: 1, quality: 1 };
    const row = { entity_id, sha256: 's', file_path, is_decided: 0, created_at: 0, ...box };
    return (await database.kysely.insertInto('faces').values(row).returning('id').executeTakeFirstOrThrow()).id;
  };
  const vector = async (entity_id: number, kind: 'clip' | 'face', subject: number): Promise<number> => {
    const row = { kind, model: 'm', entity_id, subject, data: Buffer.alloc(8) };
    return (await database.kysely.insertInto('vectors').values(row).returning('id').executeTakeFirstOrThrow()).id;
  };

  it('finds crops and previews that nothing refers to, except those of an entity in processing', async () => {
    const [done, busy] = [await store.media(), await store.media()];
    await detection(done.id, 'completed');
    await detection(busy.id, 'processing');
    const kept = put(`.derived/faces/${done.id}/kept.png`);
    await face(done.id, kept);
    const preview = (sha256: string): string => put(`.derived/previews/${sha256.slice(0, 2)}/${sha256}.png`);
    const staying = [kept, put(`.derived/faces/${busy.id}/new.png`), preview(done.sha256 ?? '')];
    const going = [
      put(`.derived/faces/${done.id}/old.png`),
      put('.derived/faces/99999999/gone.png'),
      preview('ab'.repeat(32)),
    ];
    expect((await audit()).orphaned_files.map((file) => file.file_path).sort()).toEqual([...going].sort());
    expect(await clear()).toEqual({
      files_deleted: 3,
      faces_deleted: 0,
      vectors_deleted: 0,
      jobs_deleted: 0,
      mqtt_cleared: 0,
    });
    expect([staying.map(exists), going.map(exists)]).toEqual([staying.map(() => true), going.map(() => false)]);
    expect((await audit()).orphaned_files).toEqual([]);
  });

  it('keeps faces whose crop is lost, and has it made again', async () => {
    const { id } = await store.media();
    await detection(id, 'completed');
    const file_path = `.derived/faces/${id}/lost.png`;
    const face_id = await face(id, file_path);
    expect((await audit()).orphaned_faces).toEqual([{ face_id, entity_id: id, file_path }]);
    expect((await clear()).faces_deleted).toBe(1);
    expect((await audit()).orphaned_faces).toEqual([]);
    const db = database.kysely;
    expect(await db.selectFrom('faces').select('file_path').where('id', '=', face_id).execute()).toEqual([
      { file_path: '' },
    ]);
    expect(await db.selectFrom('inferences').select('status').where('entity_id', '=', id).execute()).toEqual([
      { status: 'pending' },
    ]);
  });

  it('finds vectors whose face was deleted, and no others', async () => {
    const { id } = await store.media();
    await vector(id, 'face', await face(id, ''));
    await vector(id, 'clip', 0);
    const vector_id = await vector(id, 'face', 88_888_888);
    expect((await audit()).orphaned_vectors).toEqual([{ vector_id, collection_name: 'face_embeddings' }]);
    expect((await clear()).vectors_deleted).toBe(1);
    expect((await audit()).orphaned_vectors).toEqual([]);
    const left = await database.kysely.selectFrom('vectors').select('kind').where('entity_id', '=', id).execute();
    expect(left.map(({ kind }) => kind).sort()).toEqual(['clip', 'face']);
  });
});
