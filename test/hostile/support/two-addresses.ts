/**
 * A program that attacks services and the broker from one address and uses them from another. It runs in a network namespace
 * that has 10.9.0.1 (the servers), 10.9.0.2 (the attacker) and 10.9.0.3 (somebody else), because a server tells clients apart
 * by their addresses only if they are not addresses of loopback. It imports nothing but modules of Node, because it is started
 * without a bundler, and sends what it has seen to its parent.
 *
 * Its arguments are the folders of the project and of the data.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

const [projectRoot = '', dataDir = ''] = process.argv.slice(2);
const SERVER = '10.9.0.1';
const ATTACKER = '10.9.0.2';
const OTHER = '10.9.0.3';
const PASSWORD = 'secret-123';

interface Server {
  readonly port: number;
  readonly pid: number;
}

const children: ChildProcess[] = [];

async function start(program: string, env: Readonly<Record<string, string>>, ...args: string[]): Promise<Server> {
  const child = fork(path.join(projectRoot, program), args, {
    env: { PATH: process.env.PATH, CL_SERVER_DIR: dataDir, HOST: SERVER, LOG_LEVEL: 'critical', ...env },
    execArgv: ['--max-old-space-size=512'],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  children.push(child);
  const port = await new Promise<number>((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`${program} ended with ${code}`)));
    child.on('message', (message: { type: string; info: { port?: number; url?: string } }) => {
      if (message.type === 'ready') resolve(message.info.port ?? Number(new URL(message.info.url ?? '').port));
    });
  });
  return { port, pid: Number(child.pid) };
}

const descriptorsOf = (pid: number): number => fs.readdirSync(`/proc/${pid}/fd`).length;

/** @returns whether the state was reached */
async function eventually(look: () => boolean, within: number): Promise<boolean> {
  for (const end = performance.now() + within; performance.now() < end; await pause(50)) if (look()) return true;
  return look();
}

interface Client {
  readonly socket: net.Socket;
  received: Buffer;
}

function connect(port: number, localAddress: string, first: string | Buffer): Client {
  const client: Client = { socket: net.connect({ port, host: SERVER, localAddress }), received: Buffer.alloc(0) };
  client.socket.on('error', () => undefined);
  client.socket.on('data', (chunk) => {
    client.received = Buffer.concat([client.received, chunk]);
  });
  if (first.length > 0) client.socket.write(first);
  return client;
}

/** Opens connections a few at a time, so that the kernel's queue of new connections does not overflow. */
async function connectMany(count: number, port: number, first: string | Buffer): Promise<Client[]> {
  const clients: Client[] = [];
  for (let index = 0; index < count; index++) {
    clients.push(connect(port, ATTACKER, first));
    if (index % 50 === 49) await pause(50);
  }
  await pause(500);
  return clients;
}

const openOf = (clients: readonly Client[]): number => clients.filter(({ socket }) => !socket.destroyed).length;
const leave = (clients: readonly Client[]): void => {
  for (const { socket } of clients) socket.destroy();
};

/** A request of somebody else. @returns its status and the milliseconds that it took */
function ask(port: number, method: string, where: string, form?: Readonly<Record<string, string>>) {
  const start = performance.now();
  const headers = form && { 'content-type': 'application/x-www-form-urlencoded' };
  const options = { host: SERVER, port, method, path: where, localAddress: OTHER, agent: false, headers };
  return new Promise<{ status: number; took: number }>((resolve, reject) => {
    http
      .request(options, (answer) => {
        answer.resume().on('end', () => resolve({ status: answer.statusCode ?? 0, took: performance.now() - start }));
      })
      .on('error', reject)
      .end(form && new URLSearchParams(form).toString());
  });
}

const CONNECT = Buffer.from([0x10, 12, 0, 4, 77, 81, 84, 84, 4, 2, 0, 0, 0, 0]);
const TOPIC = Buffer.from('inference/events');
const SUBSCRIBE = Buffer.concat([
  Buffer.from([0x82, TOPIC.length + 5, 0, 1, 0, TOPIC.length]),
  TOPIC,
  Buffer.from([0]),
]);
/** The answers to CONNECT and SUBSCRIBE if both are granted. */
const GRANTED = '200200009003000100';

/** Somebody else subscribes at the broker. @returns the milliseconds that it took */
async function subscribe(port: number): Promise<number> {
  const start = performance.now();
  const client = connect(port, OTHER, Buffer.concat([CONNECT, SUBSCRIBE]));
  await eventually(() => client.received.toString('hex') === GRANTED, 20_000);
  client.socket.destroy();
  return client.received.toString('hex') === GRANTED ? performance.now() - start : Number.POSITIVE_INFINITY;
}

async function attackService(
  { port, pid }: Server,
  busyHead: string,
  use: () => Promise<{ status: number; took: number }>,
) {
  const before = descriptorsOf(pid);
  const idle = await connectMany(400, port, '');
  const openIdle = openOf(idle);
  const whileIdle = [await ask(port, 'GET', '/livez'), await use()];
  leave(idle);
  await eventually(() => descriptorsOf(pid) <= before + 4, 10_000);
  const busy = await connectMany(400, port, busyHead);
  const openBusy = openOf(busy);
  const whileBusy = [await ask(port, 'GET', '/livez'), await use()];
  const endedAlone = await eventually(() => openOf(busy) === 0, 30_000);
  leave(busy);
  const isClean = await eventually(() => descriptorsOf(pid) <= before + 4, 30_000);
  return { openIdle, openBusy, answers: [...whileIdle, ...whileBusy], endedAlone, isClean };
}

async function attackBroker({ port, pid }: Server) {
  const before = descriptorsOf(pid);
  const crowd = await connectMany(150, port, Buffer.concat([CONNECT, SUBSCRIBE]));
  await eventually(() => crowd.every(({ received, socket }) => received.length > 0 || socket.destroyed), 10_000);
  const granted = crowd.filter(({ received, socket }) => !socket.destroyed && received.toString('hex') === GRANTED);
  const whileCrowded = await subscribe(port);
  leave(crowd);
  const end = performance.now() + 3_000;
  const comeAndLeave = async (): Promise<void> => {
    while (performance.now() < end) {
      const { socket } = connect(port, ATTACKER, CONNECT);
      await Promise.race([once(socket, 'connect'), once(socket, 'close')]).catch(() => undefined);
      socket.destroy();
    }
  };
  const flood = Promise.all(Array.from({ length: 50 }, comeAndLeave));
  await pause(1_000);
  const whileFlooded = await subscribe(port);
  await flood;
  const isClean = await eventually(() => descriptorsOf(pid) <= before + 4, 30_000);
  return { granted: granted.length, whileCrowded, whileFlooded, isClean };
}

try {
  const auth = await start('services/auth/bin/auth-server.js', { ADMIN_PASSWORD: PASSWORD }, '--port=0');
  const AUTH_URL = `http://${SERVER}:${auth.port}`;
  const store = await start('services/store/bin/store.js', { AUTH_URL, BROADCAST_TYPE: 'none' }, '--port=0');
  const broker = await start('apps/server/bin/cl-broker.js', {
    AUTH_URL,
    MQTT_PORT: '0',
    MQTT_WS_PORT: '0',
    MQTT_SOCKET: path.join(dataDir, 'broker.sock'),
  });
  const form = 'content-type: application/x-www-form-urlencoded';
  const slowForm = `POST /auth/token HTTP/1.1\r\nhost: ${SERVER}\r\n${form}\r\ncontent-length: 16000\r\n\r\nusername=`;
  const slowHead = `GET /entities HTTP/1.1\r\nhost: ${SERVER}\r\nx: `;
  const login = { username: 'admin', password: PASSWORD };
  await ask(auth.port, 'POST', '/auth/token', login);
  await ask(store.port, 'GET', '/entities');
  await subscribe(broker.port);
  const [ofAuth, ofStore] = await Promise.all([
    attackService(auth, slowForm, () => ask(auth.port, 'POST', '/auth/token', login)),
    attackService(store, slowHead, () => ask(store.port, 'GET', '/readyz')),
  ]);
  process.send?.({ auth: ofAuth, store: ofStore, broker: await attackBroker(broker) });
} finally {
  for (const child of children) child.kill('SIGKILL');
  process.disconnect?.();
}
