/** The events that the store publishes, and the retained messages of entities that were removed. */
import { randomBytes } from 'node:crypto';
import type { AuditReport, CleanupReport, EntityEvent, ItemEvent, StoreReading } from '@cl-server/contract';
import { TOPICS } from '@cl-server/contract';
import { sharp } from '@cl-server/media';
import { type Broadcaster, connectBroadcaster, silentLogger } from '@cl-server/service-kit';
import { backends, eventually, hasMosquitto, startMosquitto, type TestBroker } from '@cl-server/testing';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startStore, type TestStore } from './support/store.js';
import { ADMIN } from './support/tokens.js';

describe.runIf(hasMosquitto()).each(backends().slice(0, 1))('events of the store', (backend) => {
  let broker: TestBroker;
  let broadcaster: Broadcaster;
  let listener: Broadcaster;
  let store: TestStore;
  let port: number;
  const items: ItemEvent[] = [];
  const entities: EntityEvent[] = [];
  const cleared: string[] = [];

  beforeAll(async () => {
    broker = await startMosquitto();
    const logger = silentLogger();
    broadcaster = await connectBroadcaster({ url: broker.url, logger });
    listener = await connectBroadcaster({ url: broker.url, logger });
    store = await startStore(backend, { broadcaster });
    port = Number(new URL(store.url).port);
    await listener.subscribe(TOPICS.storeItems(port), (_topic, payload) => items.push(JSON.parse(String(payload))));
    await listener.subscribe(TOPICS.storeEntities(port), (_topic, payload) =>
      entities.push(JSON.parse(String(payload))),
    );
    await listener.subscribe(TOPICS.entityStatus(port, '+'), (topic, payload) => {
      if (payload.length === 0) cleared.push(topic);
    });
  });
  afterAll(async () => {
    await store.stop();
    await broadcaster.close();
    await listener.close();
    await broker.stop();
  });

  /** Waits for all earlier messages, and forgets them. Messages of one connection arrive in order. */
  const discardEarlier = async (): Promise<void> => {
    const { id } = await store.collection('mark');
    await eventually(() => entities.some((event) => event.id === id), { what: 'the mark' });
    items.length = 0;
    entities.length = 0;
    cleared.length = 0;
  };
  const received = async (): Promise<{ items: ItemEvent[]; changes: string[]; cleared: string[] }> => {
    const { id } = await store.collection('mark');
    await eventually(() => entities.some((event) => event.id === id), { what: 'the mark' });
    const changes = entities.filter((event) => event.id !== id).map((event) => `${event.change} ${event.id}`);
    return { items: [...items], changes, cleared: [...cleared] };
  };

  it('publish whether reading needs a login, as a retained message', async () => {
    const open: boolean[] = [];
    await listener.subscribe(TOPICS.storeReading(port), (_topic, payload) =>
      open.push((JSON.parse(String(payload)) as StoreReading).open),
    );
    await eventually(() => open.length === 1, { what: 'the retained message' });
    for (const guest_mode of ['true', 'false'])
      await store.call('PUT', '/admin/pref/guest-mode', { token: ADMIN, form: { guest_mode } });
    await eventually(() => open.length === 3, { what: 'both changes' });
    expect(open).toEqual([open[0], true, false]);
  });

  it('announce new media and replaced files, and clear the retained state of the earlier content', async () => {
    await discardEarlier();
    const bytes = randomBytes(50);
    const { json: entity } = await store.upload(bytes);
    const { json: replaced } = await store.call('PUT', `/entities/${entity.id}`, {
      form: { is_collection: 'false', label: 'x', media_file: { name: 'b', bytes: randomBytes(50) } },
    });
    await store.call('POST', `/entities/${entity.id}/versions/1/restore`);
    const all = await received();
    expect(all.items.map(({ id, md5 }) => [id, md5])).toEqual([
      [entity.id, entity.md5],
      [entity.id, replaced.md5],
      [entity.id, entity.md5],
    ]);
    expect(all.items.every(({ timestamp }) => timestamp > 1_600_000_000_000)).toBe(true);
    expect(all.changes).toEqual([`created ${entity.id}`, `updated ${entity.id}`, `updated ${entity.id}`]);
    expect(all.cleared).toEqual(Array.from({ length: 3 }, () => TOPICS.entityStatus(port, entity.id)));
  });

  it('announce an entity that the full reading of its file corrects, and no other', async () => {
    await discardEarlier();
    const xmp =
      '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description ' +
      'xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/" photoshop:DateCreated="1985-07-14"/></rdf:RDF></x:xmpmeta>';
    const picture = (red: number) =>
      sharp({ create: { width: 40, height: 30, channels: 3, background: { r: red, g: 5, b: 5 } } })
        .withExif({ IFD0: { DateTime: '2022:01:01 10:00:00' } })
        .jpeg();
    const { json: right } = await store.upload(await picture(1).toBuffer(), 'right.jpg');
    const { json: wrong } = await store.upload(await picture(200).withXmp(xmp).toBuffer(), 'wrong.jpg');
    await eventually(() => entities.some(({ id, change }) => id === wrong.id && change === 'updated'));
    const { json: corrected } = await store.call('GET', `/entities/${wrong.id}`);
    expect(corrected.create_date).toBe(Date.UTC(1985, 6, 14));
    expect(entities.at(-1)).toMatchObject({ id: wrong.id, version: wrong.version ?? 1 });
    const { changes, items } = await received();
    expect(changes).toEqual([`created ${right.id}`, `created ${wrong.id}`, `updated ${wrong.id}`]);
    expect(items).toHaveLength(2);
  });

  it('announce every other change, but not as a new item', async () => {
    const collection = await store.collection('c');
    const entity = await store.media({ parent_id: String(collection.id) }, Buffer.from('the same'));
    await discardEarlier();
    await store.upload(Buffer.from('the same'));
    await store.patch(entity.id, { label: 'new' });
    await store.patch(entity.id, { is_deleted: 'true' });
    await store.patch(entity.id, { is_deleted: 'false' });
    await store.upload(randomBytes(10), 'a', { parent_id: '424242' });
    await store.patch(collection.id, { is_deleted: 'true' });
    await store.remove(collection.id);
    const all = await received();
    expect(all.items).toEqual([]);
    expect(all.changes).toEqual([
      `updated ${entity.id}`,
      `deleted ${entity.id}`,
      `restored ${entity.id}`,
      `deleted ${collection.id}`,
      `removed ${entity.id}`,
      `removed ${collection.id}`,
    ]);
    // The eraser clears the retained states of removed entities after the removal is committed.
    const gone = [entity.id, collection.id].map((id) => TOPICS.entityStatus(port, id));
    await eventually(() => gone.every((topic) => cleared.includes(topic)), { what: 'the cleared states' });
    expect(new Set(cleared)).toEqual(new Set(gone));
  });

  it('are audited: retained states of removed entities are found, and only those are cleared', async () => {
    const { id } = await store.media();
    await discardEarlier();
    for (const entity of [id, 99_999_999])
      await listener.publish(TOPICS.entityStatus(port, entity), { entity_id: entity }, { retain: true });
    const audit = async () => (await store.get<AuditReport>('/system/audit', { token: ADMIN })).json.orphaned_mqtt;
    expect(await audit()).toEqual([{ entity_id: 99_999_999, topic: TOPICS.entityStatus(port, 99_999_999) }]);
    const { json } = await store.call<CleanupReport>('POST', '/system/clear-orphans', { token: ADMIN });
    expect(json.mqtt_cleared).toBe(1);
    expect(await audit()).toEqual([]);
    // The eraser may clear states again that earlier tests have removed.
    const taken = (await received()).cleared;
    expect(taken).toContain(TOPICS.entityStatus(port, 99_999_999));
    expect(taken).not.toContain(TOPICS.entityStatus(port, id));
  });

  it('are published again after the broker was away, and the store serves meanwhile', async () => {
    await broker.restart();
    const { json } = await store.upload(randomBytes(20));
    expect(json.id).toBeGreaterThan(0);
    await eventually(() => broadcaster.connected && listener.connected, { what: 'the broker', within: 20_000 });
    items.length = 0;
    await eventually(
      async () => {
        const { json: next } = await store.upload(randomBytes(20));
        return items.some((item) => item.id === next.id);
      },
      { what: 'an item after the restart' },
    );
  }, 30_000);
});
