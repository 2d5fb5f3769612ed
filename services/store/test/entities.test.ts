import fs from 'node:fs';
import path from 'node:path';
import type { Entity, EntityMetadata, VersionDiff } from '@cl-server/contract';
import { backends } from '@cl-server/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startStore, type TestStore } from './support/store.js';
import { WRITER } from './support/tokens.js';

describe.each(backends())('entities on $name', (backend) => {
  let store: TestStore;
  beforeAll(async () => {
    store = await startStore(backend);
  });
  afterAll(() => store.stop());

  it('creates a collection with every documented key, in the documented order', async () => {
    const { status, json } = await store.call('POST', '/entities/', {
      form: { is_collection: 'YES', label: 'holiday', description: '' },
    });
    expect(status).toBe(201);
    expect(Object.keys(json).slice(0, 22)).toEqual([
      ...['id', 'is_collection', 'label', 'description', 'parent_id', 'children_count', 'added_date', 'updated_date'],
      ...['create_date', 'added_by', 'updated_by', 'file_size', 'height', 'width', 'duration', 'mime_type', 'type'],
      ...['extension', 'md5', 'file_path', 'is_deleted', 'is_indirectly_deleted'],
    ]);
    expect(json).toMatchObject({ is_collection: true, label: 'holiday', description: null, added_by: '7', md5: null });
    expect((await store.get(`/entities/${json.id}`)).json).toEqual(json);
  });

  it.each([
    [{ is_collection: 'false', label: 'x' }, 'Media file is required when is_collection is False'],
    [
      { is_collection: 'true', parent_id: '99999999' },
      'Cannot set parent_id to 99999999: parent entity does not exist',
    ],
    [
      { is_collection: 'true', media_file: { name: 'a', bytes: Buffer.from('a') } },
      'Media file should not be provided when is_collection is True',
    ],
    [
      { is_collection: 'false', media_file: { name: 'a', bytes: Buffer.alloc(0) } },
      'The media file is empty: it has no bytes',
    ],
  ])('refuses %j', async (form, detail) => {
    const { status, json } = await store.call<{ detail: string }>('POST', '/entities', { form });
    expect([status, json.detail]).toEqual([422, detail]);
  });

  it('changes by presence with PATCH: absent keeps, empty clears; each change is a version', async () => {
    const parent = await store.collection('p');
    const entity = await store.collection('c', parent.id);
    expect((await store.patch(entity.id, { description: 'd' })).json).toMatchObject({ label: 'c', description: 'd' });
    expect((await store.patch(entity.id, { description: '', parent_id: '' })).json).toMatchObject({
      label: 'c',
      description: null,
      parent_id: null,
    });
    const none = await store.call('PATCH', `/entities/${entity.id}`);
    expect([none.status, none.json.version]).toEqual([200, 4]);
    const versions = await store.versions(entity.id);
    expect(versions.map((v) => [v.version, v.operation_type, v.changed_fields, v.updated_by])).toEqual([
      [1, 'create', ['label', 'parent_id'], '7'],
      [2, 'update', ['description'], '7'],
      [3, 'update', ['description', 'parent_id'], '7'],
      [4, 'update', [], '7'],
    ]);
    const ids = versions.map((v) => v.transaction_id);
    expect(ids).toEqual([...ids].sort((a, b) => a - b));
    expect((await store.get(`/entities/${entity.id}?version=2`)).json).toMatchObject({ description: 'd', version: 2 });
    expect((await store.get<{ detail: string }>(`/entities/${entity.id}?version=9`)).json.detail).toBe(
      `Entity ${entity.id} version 9 not found`,
    );
  });

  it('replaces with PUT: omitted fields become null; the kind cannot change', async () => {
    const parent = await store.collection('p');
    const entity = await store.collection('c', parent.id);
    const put = (form: Record<string, string>) =>
      store.call<Entity & { detail: string }>('PUT', `/entities/${entity.id}`, { form });
    expect((await put({ is_collection: 'true', label: 'new' })).json).toMatchObject({ label: 'new', parent_id: null });
    const flipped = await put({ is_collection: 'false', label: 'new' });
    expect([flipped.status, flipped.json.detail]).toEqual([
      400,
      'Cannot change is_collection from True to False. is_collection is immutable after entity creation.',
    ]);
    expect((await put({ is_collection: 'true' })).status).toBe(422);
    const self = await put({ is_collection: 'true', label: 'x', parent_id: String(entity.id) });
    expect([self.status, self.json.detail]).toEqual([
      400,
      `Circular hierarchy detected: entity ${entity.id} is already a descendant of ${entity.id}`,
    ]);
    expect((await store.call('PUT', '/entities/999999', { form: { is_collection: 'true', label: 'x' } })).status).toBe(
      404,
    );
  });

  it('allows ten levels and no cycle, by any route', async () => {
    const chain: Entity[] = [];
    for (let level = 1; level <= 10; level++) chain.push(await store.collection(`l${level}`, chain.at(-1)?.id));
    const [root, second] = chain as [Entity, Entity];
    const deepest = chain.at(-1) as Entity;
    const eleventh = await store.call<{ detail: string }>('POST', '/entities', {
      form: { is_collection: 'true', label: 'l11', parent_id: String(deepest.id) },
    });
    expect([eleventh.status, eleventh.json.detail]).toEqual([
      422,
      'Maximum hierarchy depth exceeded. Max allowed depth is 10 levels.',
    ]);
    const cycle = await store.call<{ detail: string }>('PATCH', `/entities/${root.id}`, {
      form: { parent_id: String(deepest.id) },
    });
    expect([cycle.status, cycle.json.detail]).toEqual([
      422,
      `Circular hierarchy detected: entity ${deepest.id} is already a descendant of ${root.id}`,
    ]);
    // The moved subtree would reach an eleventh level.
    const other = await store.collection('other');
    const inner = await store.collection('inner', other.id);
    expect((await store.patch(second.id, { parent_id: String(inner.id) })).status).toBe(422);
    expect((await store.patch(second.id, { parent_id: String(other.id) })).status).toBe(200);
    // A version whose parent is now below the entity would close a cycle too.
    await store.patch(other.id, { label: 'renamed' });
    const back = await store.patch(other.id, { parent_id: String(deepest.id) });
    expect(back.status).toBe(422);
  });

  it('refuses parents that are media or deleted', async () => {
    const media = await store.media();
    const gone = await store.collection('gone');
    await store.patch(gone.id, { is_deleted: 'true' });
    const entity = await store.collection('x');
    const detail = async (parent: number) =>
      (await store.call<{ detail: string }>('PATCH', `/entities/${entity.id}`, { form: { parent_id: String(parent) } }))
        .json.detail;
    expect(await detail(media.id)).toBe(
      `Cannot set parent_id to ${media.id}: parent entity must be a collection. Entity ${media.id} is not a collection.`,
    );
    expect(await detail(gone.id)).toBe(`Cannot set parent_id to ${gone.id}: parent entity is deleted`);
    expect(await detail(0)).toBe('Cannot set parent_id to 0: parent entity does not exist');
  });

  it('counts children, and shows the content of a deleted collection as indirectly deleted', async () => {
    const top = await store.collection('top');
    const middle = await store.collection('middle', top.id);
    const leaf = await store.media({ parent_id: String(middle.id) });
    const other = await store.media({ parent_id: String(middle.id) });
    await store.patch(other.id, { is_deleted: 'true' });
    const count = async (id: number) => (await store.get(`/entities/${id}`)).json.children_count;
    expect([await count(top.id), await count(middle.id)]).toEqual([1, 1]);
    const listed = await store.list(`parent_id=${top.id}`);
    expect(listed.items.map((item) => item.children_count)).toEqual([2]);
    await store.patch(top.id, { is_deleted: 'true' });
    const flags = async (id: number) => {
      const { is_deleted, is_indirectly_deleted } = (await store.get(`/entities/${id}`)).json;
      return [is_deleted, is_indirectly_deleted];
    };
    expect(await Promise.all([top, middle, leaf].map(({ id }) => flags(id)))).toEqual([
      [true, false],
      [false, true],
      [false, true],
    ]);
    expect((await store.list(`parent_id=${middle.id}`)).items.map((item) => item.is_indirectly_deleted)).toEqual([
      true,
      true,
    ]);
    await store.patch(top.id, { is_deleted: 'false' });
    expect(await flags(leaf.id)).toEqual([false, false]);
  });

  it('removes permanently only deleted entities, with everything in them, and never uses an id again', async () => {
    const top = await store.collection('top');
    const middle = await store.collection('middle', top.id);
    const leaf = await store.media({ parent_id: String(middle.id) });
    const early = await store.call<{ detail: string }>('DELETE', `/entities/${top.id}`);
    expect([early.status, early.json.detail]).toEqual([400, expect.stringContaining('must be soft-deleted first')]);
    await store.patch(top.id, { is_deleted: 'true' });
    expect((await store.remove(top.id)).status).toBe(204);
    for (const { id } of [top, middle, leaf]) {
      expect((await store.get(`/entities/${id}`)).status).toBe(404);
      expect((await store.get(`/entities/${id}/versions`)).status).toBe(404);
    }
    const again = await store.call<{ detail: string }>('DELETE', `/entities/${top.id}`);
    expect([again.status, again.json.detail]).toEqual([404, `Entity ${top.id} not found`]);
    expect((await store.collection('next')).id).toBeGreaterThan(leaf.id);
  });

  it('finds entities by digest and by label', async () => {
    const label = `label-${Math.random()}`;
    const collection = await store.collection(label);
    const media = await store.media();
    const look = (query: string) => store.get<Entity & { detail: string }>(`/entities/lookup?${query}`);
    expect((await look(`label=${label}`)).json.id).toBe(collection.id);
    expect((await look(`md5=${media.md5}&label=${label}`)).json.id).toBe(media.id);
    expect((await look(`sha256=${media.sha256}`)).json.id).toBe(media.id);
    expect((await look('label=')).json.detail).toBe('Must provide either md5 or label parameter');
    expect((await look('md5=00')).json.detail).toBe('No matching entity found');
    await store.collection(label);
    expect((await look(`label=${label}`)).json.detail).toBe(
      'Multiple matches found (2 entities). Data integrity issue.',
    );
    await store.patch(media.id, { is_deleted: 'true' });
    expect((await look(`md5=${media.md5}`)).status).toBe(404);
  });

  it('compares two versions, and restores one as a new version', async () => {
    const entity = await store.media({ label: 'one' }, Buffer.from('first content'));
    const put = await store.call('PUT', `/entities/${entity.id}`, {
      form: { is_collection: 'false', label: 'two', image: { name: 'b.txt', bytes: Buffer.from('second content') } },
    });
    expect(put.json).toMatchObject({ label: 'two', file_name: 'b.txt', file_size: 14 });
    const { json: diff } = await store.get<VersionDiff>(`/entities/${entity.id}/versions/diff?from=1`);
    expect([diff.from_version, diff.to_version]).toEqual([1, 2]);
    expect(diff.changes.map((change) => change.field)).toEqual(
      expect.arrayContaining(['label', 'md5', 'sha256', 'file_name', 'file_size', 'file_path']),
    );
    const bytes = async (query = '') => (await store.get(`/entities/${entity.id}/media${query}`)).text;
    expect([await bytes(), await bytes('?version=1')]).toEqual(['second content', 'first content']);
    const restored = await store.call('POST', `/entities/${entity.id}/versions/1/restore`);
    expect([restored.status, restored.json.label, restored.json.version, await bytes()]).toEqual([
      200,
      'one',
      3,
      'first content',
    ]);
    expect((await store.versions(entity.id)).map((v) => v.operation_type)).toEqual(['create', 'update', 'restore']);
    expect((await store.call('POST', `/entities/${entity.id}/versions/77/restore`)).status).toBe(404);
  });

  it('refuses to restore a version whose bytes now belong to another entity', async () => {
    const bytes = Buffer.from(`shared ${Math.random()}`);
    const entity = await store.media({}, bytes);
    await store.call('PUT', `/entities/${entity.id}`, {
      form: {
        is_collection: 'false',
        label: 'x',
        media_file: { name: 'c', bytes: Buffer.from(`other ${Math.random()}`) },
      },
    });
    const other = await store.media({}, bytes);
    const refused = await store.call<{ detail: string; entity_id: number }>(
      'POST',
      `/entities/${entity.id}/versions/1/restore`,
    );
    expect([refused.status, refused.json.entity_id]).toEqual([409, other.id]);
  });

  it.each(['99999999999999999999', 'abc', '1.5', '-1', '0', '9007199254740991', '%00'])(
    'answers an id %s with a 4xx on every route',
    async (id) => {
      for (const [method, target] of [
        ['GET', `/entities/${id}`],
        ['GET', `/entities/${id}/versions`],
        ['GET', `/entities/${id}/media`],
        ['GET', `/entities/${id}/metadata`],
        ['GET', `/intelligence/entities/${id}`],
        ['DELETE', `/entities/${id}`],
        ['PATCH', `/entities/${id}`],
        ['GET', `/entities/1?version=${id}`],
        ['GET', `/entities?parent_id=${id}x`],
      ] as const) {
        const { status } = await store.call(method, target, { token: WRITER });
        expect([target, status >= 400 && status < 500]).toEqual([target, true]);
      }
    },
  );

  it('has no media if the file is gone, or if a link or a folder is in its place', async () => {
    const { id, file_path } = await store.media();
    const file = path.join(store.mediaDir, file_path ?? '');
    for (const replace of [() => undefined, () => fs.symlinkSync('/etc/hostname', file), () => fs.mkdirSync(file)]) {
      fs.rmSync(file, { force: true });
      replace();
      const { status, json } = await store.get<{ detail: string; code: string }>(`/entities/${id}/media`);
      expect([status, json]).toMatchObject([404, { detail: 'Media file not found', code: 'not_found' }]);
    }
  });

  it('serves metadata of media only', async () => {
    const collection = await store.collection('c');
    const media = await store.media();
    expect((await store.get(`/entities/${collection.id}/metadata`)).status).toBe(400);
    expect((await store.get<EntityMetadata>(`/entities/${media.id}/metadata`)).json).toMatchObject({
      entity_id: media.id,
    });
  });
});
