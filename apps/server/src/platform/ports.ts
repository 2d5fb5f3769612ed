import net from 'node:net';
import { errorCode } from '@cl-server/kit';
import { StartupError } from '@cl-server/service-kit/program';

export interface PortWish {
  /** What it is for, in messages. */
  readonly what: string;
  /** Flag by which another can be chosen. */
  readonly flag: string;
  /** 0: any free one. */
  readonly port: number;
}

const holdPort = (host: string, port: number): Promise<net.Server> =>
  new Promise((resolve, reject) => {
    const server = net.createServer();
    server.once('error', reject);
    server.listen({ host, port, exclusive: true }, () => resolve(server));
  });

const portOf = (server: net.Server): number => (server.address() as net.AddressInfo).port;
const release = (server: net.Server): Promise<void> => new Promise((resolve) => server.close(() => resolve()));

function fault({ what, flag, port }: PortWish, host: string, code: string | undefined): string {
  if (code === 'EADDRINUSE')
    return `port ${port} (${what}) is in use: stop what uses it, or choose another with --${flag}`;
  if (code === 'EACCES')
    return `port ${port} (${what}) may not be opened by this user: choose one above 1023 with --${flag}`;
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND')
    return `${host} is not an address of this machine: choose another with --host`;
  return `port ${port} (${what}) cannot be opened (${code}): choose another with --${flag}`;
}

/**
 * Checks all ports before anything starts.
 * @returns the ports in the same order, 0 replaced by a free one
 * @throws StartupError naming each port that cannot be had and the flag that changes it
 */
export async function checkPorts(host: string, wishes: readonly PortWish[]): Promise<readonly number[]> {
  const faults = new Set<string>();
  const ports: number[] = [];
  // Each port is held until all are known: a port that is free again could be chosen a second time.
  const held: net.Server[] = [];
  for (const wish of wishes) {
    const twin = wish.port === 0 ? -1 : ports.indexOf(wish.port);
    if (twin >= 0) {
      faults.add(`port ${wish.port} is asked for twice, by --${wishes[twin]?.flag} and by --${wish.flag}`);
      ports.push(wish.port);
      continue;
    }
    try {
      const server = await holdPort(host, wish.port);
      held.push(server);
      ports.push(portOf(server));
    } catch (error) {
      faults.add(fault(wish, host, errorCode(error)));
      ports.push(wish.port);
    }
  }
  await Promise.all(held.map(release));
  if (faults.size > 0) throw new StartupError([...faults].map((text) => `cl-server: ${text}`).join('\n'));
  return ports;
}
