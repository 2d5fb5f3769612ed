/** The limits for strangers and users of the broker, one by one. The attacks themselves are in test/hostile. */
import net from 'node:net';
import { TOPICS } from '@cl-server/contract';
import { eventually } from '@cl-server/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { addressKey } from '../../src/broker/connections.js';
import type { BrokerLimits } from '../../src/broker/limits.js';
import { TestBroker, type TestClient } from './support.js';

let broker: TestBroker;
const start = async (limits: Partial<BrokerLimits> = {}): Promise<TestBroker> => {
  broker = await new TestBroker(limits).start();
  return broker;
};
afterEach(() => broker.stop());

const entity = (id: number | string): string => TOPICS.entityStatus(8001, id);
const refusal = (connecting: Promise<TestClient>): Promise<unknown> =>
  connecting.then(
    () => 'let in',
    (error: { code?: unknown }) => error.code,
  );

/** Opens a TCP connection that sends the given bytes. */
function raw(bytes: readonly number[] = []): net.Socket {
  const socket = net.connect(broker.port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.resume();
  if (bytes.length > 0) socket.write(Buffer.from(bytes));
  return socket;
}
const closed = (socket: net.Socket): Promise<void> =>
  new Promise((resolve) => (socket.closed ? resolve() : socket.once('close', () => resolve())));
/** The CONNECT packet of MQTT 3.1.1 without a client id. */
const connectPacket = (keepalive: number): number[] => [0x10, 12, 0, 4, 77, 81, 84, 84, 4, 2, 0, keepalive, 0, 0];

describe('topic filters', () => {
  it('are limited per stranger, per user and in total; an unsubscribed one no longer counts', async () => {
    await start({ strangerFilters: 3, userFilters: 5, allFilters: 7 });
    const [stranger, user] = [await broker.connect(), await broker.user('7')];
    const grants = async (client: TestClient, name: (index: number) => string): Promise<number[]> => {
      const granted: number[] = [];
      for (let index = 0; index < 6; index++) granted.push(await client.subscribe(name(index)));
      return granted;
    };
    expect(await grants(stranger, entity)).toEqual([1, 1, 1, 128, 128, 128]);
    expect(await grants(user, (index) => TOPICS.jobStatus(`j${index}`))).toEqual([1, 1, 1, 1, 128, 128]);
    expect(await stranger.subscribe(entity(0))).toBe(1); // the same filter again
    await stranger.mqtt.unsubscribeAsync(entity(0));
    expect(await user.subscribe(TOPICS.jobStatus('j4'))).toBe(1);
    await stranger.mqtt.endAsync();
    await eventually(async () => (await (await broker.connect()).subscribe(entity(1))) === 1);
  });

  it('are refused if they are too long or too deep, and too many refusals end the connection', async () => {
    await start({ filterLength: 40, refusals: 4 });
    const stranger = await broker.connect();
    expect(await stranger.subscribe(entity('x'.repeat(40)))).toBe(128);
    for (const filter of ['#', 'job/+', '$SYS/#']) expect(await stranger.subscribe(filter)).toBe(128);
    const gone = stranger.closed();
    stranger.mqtt.subscribe('#', () => undefined);
    await gone;
    const deep = await broker.connect();
    const cut = deep.closed();
    deep.mqtt.subscribe('a/'.repeat(17), () => undefined);
    await cut;
  });

  it('end the connection if they contain U+0000', async () => {
    await start();
    const stranger = await broker.connect();
    const gone = stranger.closed();
    stranger.mqtt.subscribe('inference/\0events', () => undefined);
    await gone;
  });
});

describe('client ids', () => {
  it('of a stranger replace no connection; those of a user replace only the user’s own', async () => {
    await start();
    const [stranger, user, service] = await Promise.all([
      broker.connect({ clientId: 'one' }),
      broker.user('7', {}, { clientId: 'one' }),
      broker.ownService(),
    ]);
    const [again] = await Promise.all([
      broker.connect({ clientId: 'one' }),
      broker.connect({ clientId: String(service.mqtt.options.clientId) }),
      broker.user('8', {}, { clientId: 'one' }),
    ]);
    for (const client of [stranger, user, service, again]) expect(await client.subscribe('inference/events')).toBe(1);
    const gone = user.closed();
    await broker.user('7', {}, { clientId: 'one' });
    await gone;
  });

  it.each([1, 21, 22, 23])('of %i characters can connect by MQTT 3.1', async (length) => {
    await start();
    const options = { protocolVersion: 3, protocolId: 'MQIsdp', clientId: 'i'.repeat(length) } as const;
    expect(await (await broker.connect(options)).subscribe('inference/events')).toBe(1);
  });
});

describe('connections', () => {
  it('without CONNECT end at the deadline, and the oldest end at once if there are too many', async () => {
    await start({ handshake: 400, newcomers: 5, patience: 0 });
    const began = performance.now();
    const sockets = Array.from({ length: 20 }, () => raw());
    await Promise.all(sockets.slice(0, 10).map(closed));
    await eventually(() => sockets.filter((socket) => !socket.closed).length <= 5);
    await Promise.all(sockets.map(closed));
    expect(performance.now() - began).toBeGreaterThanOrEqual(395);
    expect(await (await broker.connect()).subscribe('inference/events')).toBe(1);
    await closed(raw(connectPacket(1))); // it announced a packet each second and sends none
  });

  it('that come in a crowd do not replace each other before they had time to say who they are', async () => {
    await start({ newcomers: 5, newcomersAtOnce: 40, patience: 60_000 });
    const crowd = Array.from({ length: 30 }, () => raw());
    expect(await (await broker.connect()).subscribe('inference/events')).toBe(1);
    expect(crowd.filter((socket) => socket.closed)).toEqual([]);
    const more = Array.from({ length: 30 }, () => raw());
    await eventually(() => [...crowd, ...more].filter((socket) => !socket.closed).length <= 40);
    expect(await (await broker.connect()).subscribe('inference/events')).toBe(1);
  });

  it('that leave before their turn take nobody’s place, also with a CONNECT that they have sent', async () => {
    await start({ newcomersWaiting: 10 });
    for (let round = 0; round < 40; round++) {
      const crowd = Array.from({ length: 9 }, () => raw(connectPacket(0)));
      await Promise.all(crowd.map((socket) => new Promise((resolve) => socket.once('connect', resolve))));
      for (const socket of crowd) socket.destroy();
    }
    const began = performance.now();
    expect(await (await broker.connect()).subscribe('inference/events')).toBe(1);
    expect(performance.now() - began).toBeLessThan(2_000);
  });

  it('of strangers end if they are idle: without a subscription, or silent without a keepalive', async () => {
    await start({ idle: 200, silent: 1_600, sweep: 50 });
    const began = performance.now();
    const [idle, silent, alive] = await Promise.all([
      broker.connect({ keepalive: 0 }),
      broker.connect({ keepalive: 0 }),
      broker.connect({ keepalive: 1 }),
    ]);
    for (const client of [silent, alive]) await client.subscribe('inference/events');
    await idle.closed();
    expect(performance.now() - began).toBeLessThan(1_600);
    expect(silent.mqtt.connected).toBe(true);
    await silent.closed();
    expect(performance.now() - began).toBeGreaterThanOrEqual(1_600);
    expect(alive.mqtt.connected).toBe(true);
  });

  it('of idle strangers make room for new ones; busy ones keep their places; users and services always get in', async () => {
    await start({ strangers: 4 });
    const listens = async (): Promise<TestClient> => {
      const client = await broker.connect();
      await client.subscribe('inference/events');
      return client;
    };
    const first = await listens();
    const idle = await Promise.all(Array.from({ length: 3 }, () => broker.connect()));
    await listens();
    await eventually(() => idle.filter(({ mqtt }) => mqtt.connected).length === 2);
    await listens();
    await listens();
    expect(await refusal(broker.connect())).toBe(3);
    expect(first.mqtt.connected).toBe(true);
    for (const client of [await broker.ownService(), await broker.service(), await broker.user('7')])
      expect(await client.subscribe('inference/events')).toBe(1);
  });

  it('of one user are limited', async () => {
    await start({ connectionsPerUser: 2 });
    await Promise.all([broker.user('7'), broker.user('7')]);
    expect(await refusal(broker.user('7'))).toBe(3);
    expect(await refusal(broker.user('8'))).toBe('let in');
  });

  it('are distinguished by address: a /64 of IPv6 counts as one, this machine as none', () => {
    expect(['::ffff:192.0.2.7', '192.0.2.7'].map(addressKey)).toEqual(['192.0.2.7', '192.0.2.7']);
    expect(addressKey('2001:db8:1:2:3::9')).toBe(addressKey('2001:db8:1:2:ffff::1'));
    expect(['127.0.0.1', '::1', '::ffff:127.0.0.2', undefined].map(addressKey)).toEqual(Array(4).fill(undefined));
  });
});

it('lose their subscriptions within one sweep after their token has ended', async () => {
  await start({ sweep: 50, allFilters: 2 });
  const user = await broker.user('7', { expiresIn: 60 });
  expect(await user.subscribe(TOPICS.jobStatus('a'))).toBe(1);
  expect(await user.subscribe(TOPICS.jobStatus('b'))).toBe(1);
  const stranger = await broker.connect();
  expect(await stranger.subscribe('inference/events')).toBe(128);
  const now = Date.now();
  broker.clock = () => now + 61_000;
  await eventually(async () => (await stranger.subscribe('inference/events')) === 1);
  expect(await user.subscribe(TOPICS.jobStatus('c'))).toBe(128);
  expect(user.mqtt.connected).toBe(true);
});

describe('the WebSocket', () => {
  const outcome = (headers: Record<string, string>): Promise<unknown> =>
    new Promise((resolve) => {
      const socket = new WebSocket(`ws://127.0.0.1:${broker.wsPort}/mqtt`, 'mqtt', { headers });
      socket.on('open', () => {
        socket.terminate();
        resolve('open');
      });
      socket.on('unexpected-response', (_request, response) => {
        socket.terminate();
        resolve(response.statusCode);
      });
      socket.on('error', () => undefined);
    });

  it('accepts the machine’s own names, and pages of its own or an allowed origin', async () => {
    await start();
    const own = `127.0.0.1:${broker.wsPort}`;
    for (const [headers, expected] of [
      [{}, 'open'],
      [{ host: 'localhost' }, 'open'],
      [{ host: 'photos.example.org' }, 'open'],
      [{ host: 'rebound.example' }, 421],
      [{ origin: `http://${own}` }, 'open'],
      [{ origin: 'https://photos.example.org' }, 'open'],
      [{ origin: 'https://evil.example' }, 403],
      [{ origin: 'null' }, 403],
    ] as const)
      expect([headers, await outcome(headers)]).toEqual([headers, expected]);
  });
});
