/** A network path to a server that a test can cut, freeze and restore, to simulate cables, firewalls and restarts. */
import net from 'node:net';

export interface TcpLink {
  readonly port: number;
  /** Ends every connection and refuses new ones, like a stopped server. */
  cut(): void;
  /** Delivers no bytes: new connections are accepted but stay silent, as behind a lost route. */
  freeze(): void;
  /** Carries bytes again; frozen connections stay dead. */
  restore(): void;
  close(): Promise<void>;
}

type State = 'open' | 'cut' | 'frozen';

/** Forwards connections from a free port of loopback to another port of loopback. */
export async function tcpLink(targetPort: number): Promise<TcpLink> {
  let state: State = 'open';
  const sockets = new Set<net.Socket>();
  const keep = (socket: net.Socket): net.Socket => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => sockets.delete(socket));
    return socket;
  };
  const server = net.createServer((client) => {
    keep(client);
    if (state === 'cut') {
      client.resetAndDestroy();
      return;
    }
    if (state === 'frozen') {
      client.pause();
      return;
    }
    const target = keep(net.connect(targetPort, '127.0.0.1'));
    client.pipe(target).pipe(client);
    client.on('close', () => target.destroy());
    target.on('close', () => client.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as net.AddressInfo).port,
    cut: () => {
      state = 'cut';
      for (const socket of sockets) socket.destroy();
    },
    freeze: () => {
      state = 'frozen';
      for (const socket of sockets) {
        socket.unpipe();
        socket.pause();
      }
    },
    restore: () => {
      state = 'open';
    },
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
