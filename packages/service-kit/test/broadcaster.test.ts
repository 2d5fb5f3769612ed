/** The MQTT client of services and workers, at brokers that misbehave. */
import { createRequire } from 'node:module';
import net from 'node:net';
import { eventually } from '@cl-server/testing';
import { writeToStream } from 'mqtt-packet';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type Broadcaster, connectBroadcaster } from '../src/broadcaster/index.js';
import { silentLogger } from '../src/logging/logger.js';

/** A server that answers as the test says and keeps what each connection sent. */
class StubBroker {
  readonly #server = net.createServer((socket) => {
    const index = this.received.push('') - 1;
    this.#sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => {
      this.received[index] += chunk.toString('latin1');
      if (this.answers && chunk[0] === 0x10) socket.write(Buffer.from([0x20, 2, 0, 0]));
    });
  });
  readonly #sockets = new Set<net.Socket>();
  readonly received: string[] = [];
  /** Whether CONNECT is answered; nothing else ever is. */
  answers = true;

  listen = (): Promise<void> => new Promise((resolve) => this.#server.listen(0, '127.0.0.1', () => resolve()));
  get url(): string {
    return `mqtt://127.0.0.1:${(this.#server.address() as net.AddressInfo).port}`;
  }
  close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }
}

let broker: StubBroker;
let client: Broadcaster | undefined;
const watchdog = { unconnected: 300, unanswered: 300, interval: 50 };
beforeEach(async () => {
  broker = new StubBroker();
  await broker.listen();
});
afterEach(async () => {
  await broker.close();
  // A client that is still connected would wait for the answers to its publishes, which never come.
  await eventually(() => !client?.connected);
  await client?.close();
});

it('a client whose publishes are not answered is replaced, and its subscriptions go to the new one', async () => {
  const patient = { ...watchdog, unconnected: 60_000 };
  client = await connectBroadcaster({ url: broker.url, logger: silentLogger(), watchdog: patient });
  void client.subscribe('some/filter', () => undefined);
  expect(await client.publish('a/topic', 'lost')).toBe(false);
  await eventually(() => broker.received.length >= 2 && client?.connected);
  await eventually(() => broker.received.slice(1).some((text) => text.includes('some/filter')));
});

it('a client that never gets a connection is replaced, for ever', async () => {
  broker.answers = false;
  client = await connectBroadcaster({ url: broker.url, logger: silentLogger(), watchdog, wait: 0 });
  await eventually(() => broker.received.length >= 3);
  broker.answers = true;
  await eventually(() => client?.connected);
});

it('a start that does not wait for the broker does not wait for one that hangs', async () => {
  broker.answers = false;
  const began = performance.now();
  client = await connectBroadcaster({ url: broker.url, logger: silentLogger(), wait: 0 });
  expect(performance.now() - began).toBeLessThan(2_000);
  expect(await client.publish('a/topic', 'lost')).toBe(false);
});

it('no table of all numbers is made, in the very copy of the packet writer that the client uses', async () => {
  client = await connectBroadcaster({ url: broker.url, logger: silentLogger(), watchdog });
  const { resolve } = createRequire(import.meta.url);
  expect(createRequire(resolve('mqtt')).resolve('mqtt-packet')).toBe(resolve('mqtt-packet'));
  expect(writeToStream.cacheNumbers).toBe(false);
});
