/** A TCP proxy in front of a server that lets only so many bytes a second through, each way. */

import type { AddressInfo } from 'node:net';
import net from 'node:net';
import { Transform } from 'node:stream';

export interface SlowLink {
  readonly url: string;
  close(): Promise<void>;
}

/**
 * A clock is right here, unlike elsewhere in the tests: what is tried is a deadline that every byte puts off. So bytes must
 * keep coming in real time, for longer than the deadline; a gate that opens on a state would show a pause or none.
 */
const TICK_MS = 20;

/** Passes a stream on at a rate. */
const throttle = (bytesPerSecond: number): Transform =>
  new Transform({
    highWaterMark: 16_384,
    transform(chunk: Buffer, _encoding, done) {
      const step = Math.max(1, Math.floor((bytesPerSecond * TICK_MS) / 1000));
      const send = (from: number): void => {
        if (this.destroyed) return;
        this.push(chunk.subarray(from, from + step));
        if (from + step >= chunk.length) setTimeout(done, TICK_MS);
        else setTimeout(send, TICK_MS, from + step);
      };
      send(0);
    },
  });

export async function slowLink(target: string, bytesPerSecond: number): Promise<SlowLink> {
  const { hostname, port } = new URL(target);
  const sockets = new Set<net.Socket>();
  const server = net.createServer((near) => {
    const far = net.connect(Number(port), hostname);
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket)).on('error', () => undefined);
    }
    const pass = (from: net.Socket, to: net.Socket): void => {
      from.pipe(throttle(bytesPerSecond)).pipe(to);
      from.on('close', () => to.destroy());
    };
    pass(near, far);
    pass(far, near);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
