import { createRequire } from 'node:module';
import net from 'node:net';
import { TOPICS } from '@cl-server/contract';
import { writeToStream } from 'mqtt-packet';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TestBroker, type TestClient } from './support.js';

const status = (owner: string | null, extra = ''): string => JSON.stringify({ job_id: 'x', created_by: owner, extra });
/** Publishes a message that all subscribers of `inference/events` get, and waits for it: everything sent before has arrived. */
const fence = async (service: TestClient, ...others: TestClient[]): Promise<void> => {
  const text = `fence ${performance.now()}`;
  await Promise.all(others.map((other) => other.subscribe('inference/events')));
  await service.publish('inference/events', text);
  await Promise.all(others.map((other) => other.next('inference/events', text)));
};

let broker: TestBroker;
beforeEach(async () => {
  broker = await new TestBroker().start();
});
afterEach(() => broker.stop());

describe('a stranger', () => {
  const ENTITY = TOPICS.entityStatus(8001, 7);
  const OPEN = ['inference/events', 'inference/workers/+', ENTITY];
  const READ_ONLY = ['mInsight/#', TOPICS.entityStatus(8001, '+'), TOPICS.entityStatus('+', 7), 'store/+/items'];

  it('receives events, workers and one entity by its full name, with an empty client id, over TCP and WebSocket', async () => {
    const service = await broker.service();
    const tcp = await broker.connect({ clientId: '', clean: true });
    const ws = await broker.connect({}, `ws://127.0.0.1:${broker.wsPort}/mqtt`);
    for (const stranger of [tcp, ws]) {
      for (const filter of OPEN) expect(await stranger.subscribe(filter)).toBe(1);
      for (const topic of ['inference/events', 'inference/workers/w1', ENTITY]) {
        await service.publish(topic, `to ${topic}`);
        expect((await stranger.next(topic)).text).toBe(`to ${topic}`);
      }
    }
  });

  it('receives insight topics and store items only while a store says that reading is open', async () => {
    const [service, stranger, reader, other] = await Promise.all([
      broker.service(),
      broker.connect(),
      broker.user('7', { permissions: ['media_store_read'] }),
      broker.user('8', { permissions: ['media_store_write', 'ai_inference_support'] }),
    ]);
    for (const filter of READ_ONLY) {
      expect([filter, await stranger.subscribe(filter)]).toEqual([filter, 128]);
      expect([filter, await other.subscribe(filter)]).toEqual([filter, 128]);
      expect([filter, await reader.subscribe(filter)]).toEqual([filter, 1]);
    }
    await service.publish(TOPICS.storeReading(8001), JSON.stringify({ open: true }), true);
    for (const filter of READ_ONLY) expect([filter, await stranger.subscribe(filter)]).toEqual([filter, 1]);
    await service.publish(TOPICS.storeItems(8001), 'while open');
    await Promise.all([stranger.next(TOPICS.storeItems(8001)), reader.next(TOPICS.storeItems(8001))]);
    await service.publish(TOPICS.storeReading(8001), JSON.stringify({ open: false }), true);
    await service.publish(TOPICS.storeItems(8001), 'while closed');
    await reader.next(TOPICS.storeItems(8001), 'while closed');
    await fence(service, stranger);
    expect(stranger.received.map(({ text }) => text)).not.toContain('while closed');
  });

  it.each([
    ...['#', '+/events', 'job/status/+', 'job/status/1', 'job/#', '$SYS/#', 'inference/#', 'inference/workers/#'],
    ...['store/+/entities', 'store/#'],
  ])('may not subscribe to %s', async (filter) => {
    const stranger = await broker.connect();
    expect(await stranger.subscribe(filter)).toBe(128);
  });

  it('cannot publish: the message reaches nobody and the connection ends', async () => {
    const [service, watcher, forger] = await Promise.all([broker.service(), broker.connect(), broker.connect()]);
    await watcher.subscribe('inference/events');
    const gone = forger.closed();
    await Promise.race([forger.publish('inference/events', 'forged', true).catch(() => undefined), gone]);
    await gone;
    await fence(service, watcher);
    expect(watcher.received.map(({ text }) => text)).not.toContain('forged');
    const late = await broker.connect();
    await fence(service, late);
    expect(late.received.filter(({ retained }) => retained)).toEqual([]);
  });

  it('cannot leave a last will', async () => {
    const [service, watcher] = await Promise.all([broker.service(), broker.connect()]);
    await watcher.subscribe('inference/workers/+');
    const dying = await broker.connect({
      will: { topic: 'inference/workers/w1', payload: Buffer.from('forged'), qos: 1, retain: true },
    });
    dying.mqtt.stream.destroy();
    await dying.closed();
    await fence(service, watcher);
    expect(watcher.received.filter(({ topic }) => topic === 'inference/workers/w1')).toEqual([]);
  });

  it('cannot take over a service’s connection by using its client id', async () => {
    const real = await broker.service();
    const { clientId } = real.mqtt.options;
    await broker.connect({ clientId: clientId ?? '' });
    const watcher = await broker.connect();
    await fence(real, watcher);
    expect(real.mqtt.connected).toBe(true);
  });

  it('is disconnected at a packet of more than 64 KB before the broker has read it', async () => {
    const socket = net.connect(broker.port, '127.0.0.1');
    const closed = new Promise<void>((resolve) => socket.on('close', () => resolve()));
    socket.on('error', () => undefined);
    socket.write(Buffer.from([0x10, 0xff, 0xff, 0xff, 0x7f])); // CONNECT of 256 MB
    await closed;
  });
});

describe('a user', () => {
  it('receives only its own whole jobs, including retained ones and the empty message at the end', async () => {
    const service = await broker.service();
    await service.publish(TOPICS.jobStatus('mine'), status('7'), true);
    await service.publish(TOPICS.jobStatus('theirs'), status('8'), true);
    const user = await broker.user('7');
    expect(await user.subscribe(TOPICS.jobStatus('mine'))).toBe(1);
    expect(await user.subscribe(TOPICS.jobStatus('theirs'))).toBe(1);
    expect((await user.next(TOPICS.jobStatus('mine'))).retained).toBe(true);
    await service.publish(TOPICS.jobStatus('theirs'), status('8', 'more'), true);
    await service.publish(TOPICS.jobStatus('mine'), '', true);
    await user.next(TOPICS.jobStatus('mine'), '');
    await fence(service, user);
    expect(user.received.filter(({ topic }) => topic === TOPICS.jobStatus('theirs'))).toEqual([]);
  });

  it('receives changes in the store if it has the right to read', async () => {
    const [service, user] = await Promise.all([
      broker.service(),
      broker.user('7', { permissions: ['media_store_read'] }),
    ]);
    expect(await (await broker.user('8')).subscribe('store/+/entities')).toBe(128);
    expect(await user.subscribe('store/+/entities')).toBe(1);
    await service.publish(TOPICS.storeEntities(8001), 'changed');
    expect((await user.next(TOPICS.storeEntities(8001))).text).toBe('changed');
  });

  it.each(['job/status/+', 'job/status/#', 'job/#', 'store/#', '#'])('may not use the wildcard %s', async (filter) => {
    const user = await broker.user('7');
    expect(await user.subscribe(filter)).toBe(128);
  });

  it('cannot publish', async () => {
    const user = await broker.user('7', { is_admin: true });
    const gone = user.closed();
    await Promise.race([user.publish('inference/events', 'forged').catch(() => undefined), gone]);
    await gone;
  });

  it('is refused with a token that is expired, forged or of an unknown user', async () => {
    const stranger = new TestBroker().keys;
    for (const password of [broker.keys.token({ id: '7', expiresIn: -10 }), stranger.token({ id: '7' }), 'no token'])
      await expect(broker.connect({ username: 'someone', password })).rejects.toMatchObject({ code: 4 });
  });

  it('gets "try again later" while no key is known', async () => {
    broker.keys.known = false;
    await expect(broker.user('7')).rejects.toMatchObject({ code: 3 });
  });

  it('loses its additional rights when the token expires or is revoked, and keeps those of a stranger', async () => {
    const service = await broker.service();
    const users = { expiring: await broker.user('7', { expiresIn: 60 }), revoked: await broker.user('8') };
    await users.expiring.subscribe(TOPICS.jobStatus('a'));
    await users.revoked.subscribe(TOPICS.jobStatus('b'));
    await service.publish(TOPICS.jobStatus('a'), status('7'));
    await service.publish(TOPICS.jobStatus('b'), status('8'));
    await users.expiring.next(TOPICS.jobStatus('a'));
    await users.revoked.next(TOPICS.jobStatus('b'));
    const start = Date.now();
    broker.clock = () => start + 61_000;
    broker.minVersions.set('8', 1);
    await service.publish(TOPICS.jobStatus('a'), status('7', 'later'));
    await service.publish(TOPICS.jobStatus('b'), status('8', 'later'));
    await fence(service, users.expiring, users.revoked);
    for (const { received } of Object.values(users))
      expect(received.filter(({ text }) => text.includes('later'))).toEqual([]);
  });
});

describe('an admin', () => {
  it('receives every job by a wildcard', async () => {
    const [service, admin] = await Promise.all([broker.service(), broker.user('1', { is_admin: true })]);
    expect(await admin.subscribe('job/status/+')).toBe(1);
    expect(await admin.subscribe('#')).toBe(1);
    await service.publish(TOPICS.jobStatus('x'), status('7'));
    await service.publish(TOPICS.jobStatus('y'), status(null));
    await admin.next(TOPICS.jobStatus('x'));
    await admin.next(TOPICS.jobStatus('y'));
  });
});

describe('services', () => {
  it('are refused without their secret', async () => {
    for (const password of ['wrong', ''])
      await expect(broker.connect({ username: 'cl-service', password })).rejects.toMatchObject({ code: 4 });
  });

  it('announce themselves with a retained message, which their last will clears', async () => {
    const watcher = await broker.connect();
    await watcher.subscribe('inference/workers/+');
    const worker = await broker.connect({
      username: 'cl-service',
      password: 'the services’ own secret',
      will: { topic: 'inference/workers/w1', payload: Buffer.alloc(0), qos: 1, retain: true },
    });
    await worker.publish('inference/workers/w1', 'here', true);
    await watcher.next('inference/workers/w1', 'here');
    worker.mqtt.stream.destroy();
    await watcher.next('inference/workers/w1', '');
  });

  it('send and receive jobs of one megabyte', async () => {
    const [service, admin] = await Promise.all([broker.service(), broker.user('1', { is_admin: true })]);
    await admin.subscribe('job/status/+');
    const large = status('7', 'x'.repeat(1_000_000));
    await service.publish(TOPICS.jobStatus('large'), large, true);
    expect((await admin.next(TOPICS.jobStatus('large'))).text).toBe(large);
  });
});

describe('the broker', () => {
  it('keeps no queue for a client that requests a persistent session and leaves', async () => {
    const service = await broker.service();
    const options = { clientId: 'sleeper', clean: false };
    const first = await broker.connect(options);
    await first.subscribe('inference/events');
    await first.mqtt.endAsync();
    await service.publish('inference/events', 'while away');
    const again = await broker.connect(options);
    await fence(service, again);
    expect(again.received.map(({ text }) => text)).not.toContain('while away');
  });

  it('drops a subscriber that does not read, and does not delay the others', async () => {
    const [service, healthy] = await Promise.all([
      broker.service(),
      broker.user('8', { permissions: ['media_store_read'] }),
    ]);
    const stuck = await broker.user('7', { permissions: ['media_store_read'] });
    await stuck.subscribe('mInsight/#');
    (stuck.mqtt.stream as net.Socket).pause();
    await healthy.subscribe('mInsight/#');
    const block = 'x'.repeat(1_000_000);
    for (let round = 0; round < 30; round++) {
      await service.publish('mInsight/1/status', `${round} ${block}`);
      await healthy.next('mInsight/1/status', `${round} ${block}`);
      healthy.received.length = 0;
    }
    const gone = stuck.closed();
    (stuck.mqtt.stream as net.Socket).resume();
    await gone;
    expect(healthy.mqtt.connected).toBe(true);
  });
});

it('does not create the table of all packet numbers in the copy of the packet writer that aedes uses', () => {
  const { resolve } = createRequire(import.meta.url);
  expect(createRequire(resolve('aedes')).resolve('mqtt-packet')).toBe(resolve('mqtt-packet'));
  expect(writeToStream.cacheNumbers).toBe(false);
});
