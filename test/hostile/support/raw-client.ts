/** A client that sends arbitrary bytes and may disconnect at any time. */
import { once } from 'node:events';
import net from 'node:net';

export class RawClient {
  readonly #socket: net.Socket;
  #answer = '';

  private constructor(socket: net.Socket) {
    this.#socket = socket.setMaxListeners(0);
    // A server may reset a connection whose client misbehaves.
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      if (this.#answer.length < 1 << 20) this.#answer += String(chunk);
    });
  }

  static async connect(port: number): Promise<RawClient> {
    const socket = net.connect(port, '127.0.0.1');
    await once(socket, 'connect');
    return new RawClient(socket);
  }

  get isOpen(): boolean {
    return !this.#socket.destroyed;
  }

  /** Everything that has arrived so far. */
  get answer(): string {
    return this.#answer;
  }

  /** The status of the first answer; 0 if there is none. */
  get status(): number {
    return Number(/^HTTP\/1\.1 (\d{3})/.exec(this.#answer)?.[1] ?? 0);
  }

  /** The body of the only answer, as JSON. */
  // biome-ignore lint/suspicious/noExplicitAny: tests read any field of an answer
  get json(): any {
    return JSON.parse(this.#answer.slice(this.#answer.indexOf('\r\n\r\n') + 4));
  }

  /** Sends the head of a request: its line, and its headers in addition to `Host`. */
  head(request: string, headers: Readonly<Record<string, string>> = {}): this {
    const lines = Object.entries({ host: '127.0.0.1', ...headers }).map(([name, value]) => `${name}: ${value}`);
    this.#socket.write(`${[`${request} HTTP/1.1`, ...lines].join('\r\n')}\r\n\r\n`);
    return this;
  }

  /** Sends bytes. @returns when the system has taken them, the connection has ended, or `patience` ms have passed */
  async write(bytes: string | Buffer, patience = 5_000): Promise<void> {
    if (this.#socket.destroyed || !this.#socket.writable || this.#socket.write(bytes)) return;
    const end = new AbortController();
    const timer = setTimeout(() => end.abort(), patience);
    await Promise.race([
      once(this.#socket, 'drain', { signal: end.signal }),
      once(this.#socket, 'close', { signal: end.signal }),
    ]).catch(() => {});
    clearTimeout(timer);
    end.abort();
  }

  /** Sends one chunk of a body with `transfer-encoding: chunked`. */
  chunk(bytes: string | Buffer): Promise<void> {
    const size = `${Buffer.byteLength(bytes).toString(16)}\r\n`;
    return this.write(Buffer.concat([Buffer.from(size), Buffer.from(bytes), Buffer.from('\r\n')]));
  }

  /** Stops and starts reading, like a slow client. */
  pause(): void {
    this.#socket.pause();
  }

  /** Waits until the server closes the connection; undefined after `within` ms. */
  async closed(within = 20_000): Promise<true | undefined> {
    if (this.#socket.destroyed) return true;
    return once(this.#socket, 'close', { signal: AbortSignal.timeout(within) }).then(
      () => true,
      () => undefined,
    );
  }

  /** Ends its own side, and leaves the other one open. */
  end(): void {
    this.#socket.end();
  }

  /** Closes the connection at once. */
  leave(): void {
    this.#socket.resetAndDestroy();
  }
}

/** One part of a multipart body with the boundary `x`. */
export const part = (name: string, value: string | Buffer, filename?: string): Buffer =>
  Buffer.concat([
    Buffer.from(
      `--x\r\ncontent-disposition: form-data; name="${name}"${filename === undefined ? '' : `; filename="${filename}"`}\r\n\r\n`,
    ),
    Buffer.from(value),
    Buffer.from('\r\n'),
  ]);
export const END_OF_PARTS = '--x--\r\n';
export const MULTIPART = { 'content-type': 'multipart/form-data; boundary=x' } as const;
