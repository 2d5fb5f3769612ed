/**
 * How many connections a server keeps. When it is full, the connection that has been without a request for the longest
 * time makes room for a new one, so that those who only hold connections open keep nobody out; only when every one is at
 * work is the new one closed.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { isLoopbackAddress } from '../process/loopback.js';

export interface ConnectionLimits {
  /** Maximum number of connections of the process; default 2,000. */
  readonly total?: number;
  /** Maximum number of connections of one address that is not of this machine; default 256. */
  readonly perAddress?: number;
}

/** Maximum number of unanswered requests of one connection, sent one after the other without waiting for answers. */
const MAX_PIPELINED = 10;

export class Connections {
  readonly #total: number;
  readonly #perAddress: number;
  readonly #exempt: boolean;
  /** The open connections with their running requests; the one that has been idle for the longest time comes first. */
  readonly #open = new Map<Socket, number>();
  readonly #byAddress = new Map<string, number>();

  /** @param behindProxy many clients then share the proxies' addresses */
  constructor(behindProxy: boolean, { total = 2_000, perAddress = 256 }: ConnectionLimits = {}) {
    this.#exempt = behindProxy;
    this.#total = total;
    this.#perAddress = perAddress;
  }

  /** All that are open now. */
  get sockets(): Iterable<Socket> {
    return this.#open.keys();
  }

  watch(server: Server): void {
    server.on('connection', (socket: Socket) => this.#admit(socket));
    server.prependListener('request', (request: IncomingMessage, response: ServerResponse) => {
      const { socket } = request;
      this.#change(socket, 1);
      response.once('close', () => this.#change(socket, -1));
    });
  }

  #admit(socket: Socket): void {
    const address = socket.remoteAddress ?? '';
    const counts = !this.#exempt && !isLoopbackAddress(address);
    const ofAddress = this.#byAddress.get(address) ?? 0;
    const isFull =
      (this.#open.size >= this.#total && !this.#makeRoom()) ||
      (counts && ofAddress >= this.#perAddress && !this.#makeRoom(address));
    if (isFull) {
      socket.destroy();
      return;
    }
    this.#open.set(socket, 0);
    this.#byAddress.set(address, (this.#byAddress.get(address) ?? 0) + 1);
    socket.once('close', () => {
      this.#open.delete(socket);
      const left = (this.#byAddress.get(address) ?? 1) - 1;
      if (left > 0) this.#byAddress.set(address, left);
      else this.#byAddress.delete(address);
    });
  }

  /** Closes the connection that has been idle for the longest time, of one address or of all. */
  #makeRoom(address?: string): boolean {
    for (const [socket, requests] of this.#open) {
      if (requests > 0 || socket.destroyed || (address !== undefined && socket.remoteAddress !== address)) continue;
      this.#open.delete(socket);
      socket.destroy();
      return true;
    }
    return false;
  }

  #change(socket: Socket, by: 1 | -1): void {
    const requests = this.#open.get(socket);
    if (requests === undefined) return;
    // Set again, so that it stands behind those that are idle for longer.
    this.#open.delete(socket);
    this.#open.set(socket, requests + by);
    if (requests + by > MAX_PIPELINED) socket.destroy();
  }
}
