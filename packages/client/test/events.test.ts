/** Live events: typed, checked, and honest about gaps. */
import { eventually, hasMosquitto, startMosquitto, type TestBroker } from '@cl-server/testing';
import mqtt, { type MqttClient } from 'mqtt';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ClServer, MqttConnection } from '../src/index.js';
import { json, startServer, type TestServer } from './support/server.js';

const TOPICS = { items: 'store/7/items', entities: 'store/7/entities', insights: 'mInsight/7/entity_item_status' };
const ENTITY = { id: 1, change: 'created', parent_id: null, version: 1, timestamp: 5 };

describe.runIf(hasMosquitto())('events', () => {
  let broker: TestBroker;
  let server: TestServer;
  let publisher: MqttClient;
  let cl: ClServer;
  const publish = (topic: string, ...payloads: unknown[]) =>
    Promise.all(
      payloads.map((one) =>
        publisher.publishAsync(topic, typeof one === 'string' ? one : JSON.stringify(one), { qos: 1 }),
      ),
    );
  beforeEach(async () => {
    broker = await startMosquitto();
    server = await startServer((_request, response) => json(response, 200, { status: 'healthy', topics: TOPICS }));
    publisher = await mqtt.connectAsync(broker.url, { protocolVersion: 4, reconnectPeriod: 50 });
    const { url } = server;
    cl = new ClServer({ urls: { auth: url, store: url, compute: url, mqtt: broker.url } });
  });
  afterEach(async () => {
    await cl.close();
    await publisher.endAsync(true);
    await server.stop();
    await broker.stop();
  });

  it('come on the topics that the store names, without those of another form', async () => {
    const seen: unknown[] = [];
    const stop = await cl.events.on('entity', (event) => seen.push(event));
    await publish(TOPICS.entities, 'null', '{', '', [1], { ...ENTITY, change: 'eaten' }, { ...ENTITY, id: 2 });
    await eventually(() => seen.length > 0);
    stop();
    await publish(TOPICS.entities, { ...ENTITY, id: 3 });
    const later = new Promise((resolve) =>
      cl.events.on('entity', resolve).then(() => publish(TOPICS.entities, ENTITY)),
    );
    expect(await later).toEqual(ENTITY);
    expect(seen).toEqual([{ ...ENTITY, id: 2 }]);
  });

  it('can be iterated until the loop is left or the signal says so', async () => {
    const insight = { entity_id: 4, status: 'completed', timestamp: 1, face_detection: null, face_count: 0 };
    const vectors = { clip_embedding: null, dino_embedding: null, face_embeddings: null };
    const first = cl.events.stream('insight').next();
    const again = setInterval(() => void publish(`${TOPICS.insights}/4`, { ...insight, ...vectors }), 50);
    expect((await first).value).toMatchObject({ entity_id: 4, face_count: 0 });
    clearInterval(again);
    const cut = new AbortController();
    const cancelled = cl.events.stream('job', { signal: cut.signal }).next();
    cut.abort(new Error('enough'));
    await expect(cancelled).rejects.toThrow('enough');
  });

  it('report a gap when the broker was away, and continue after it', async () => {
    const seen: number[] = [];
    let gaps = 0;
    const countGaps = { onGap: () => (gaps += 1) };
    await cl.events.on('item', ({ id }) => seen.push(id), countGaps);
    await broker.restart();
    await eventually(() => gaps > 0);
    await eventually(async () => {
      await publish(TOPICS.items, { id: 9, md5: 'a', timestamp: 1 });
      return seen.includes(9);
    });
  });

  it('need a broker', async () => {
    const { url } = server;
    const without = new ClServer({ urls: { auth: url, store: url, compute: url, mqtt: null } });
    await expect(without.events.on('job', () => undefined)).rejects.toMatchObject({ code: 'no_mqtt' });
  });

  it('a message of another kind does not disturb watching workers', async () => {
    const seen: unknown[] = [];
    const stop = await cl.compute.workers.watch((id, worker) => seen.push([id, worker?.idle_count]));
    await publish('inference/workers/w', '{', 'null');
    await publish('inference/workers/w', { worker_id: 'w', id: 'w', capabilities: [], idle_count: 2, timestamp: 1 });
    await eventually(() => seen.length > 0);
    expect(seen).toEqual([['w', 2]]);
    stop();
  });

  it('a connection whose password changes is replaced, and its subscriptions move with it', async () => {
    let password = 'one';
    const lost: string[] = [];
    const connection = new MqttConnection({
      url: broker.url,
      username: 'ann',
      password: async () => password,
      passwordCheckMs: 20,
    });
    connection.onLost(() => lost.push('lost'));
    const seen: string[] = [];
    await connection.subscribe('a', (_topic, payload) => seen.push(payload));
    const used: string[] = [];
    // The library keeps the options of its client; a replaced connection has a client of its own.
    const { default: library } = await import('mqtt');
    const connect = library.connect;
    library.connect = ((url: string, options: { password?: string }) => {
      used.push(String(options.password));
      return connect(url, options as never);
    }) as never;
    try {
      password = 'two';
      await eventually(() => used.includes('two'));
    } finally {
      library.connect = connect;
    }
    await eventually(async () => {
      await publish('a', 'hello');
      return seen.includes('hello');
    });
    expect(lost).toEqual([]);
    await connection.close();
    expect(used).toEqual(['two']);
  });
});
