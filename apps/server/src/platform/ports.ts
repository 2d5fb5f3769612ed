import net from 'node:net';
import { errorCode } from '@cl-server/kit';
import { StartupError } from '@cl-server/service-kit/program';

export interface PortRequest {
  /** The purpose of the port, for messages. */
  readonly what: string;
  /** The flag that selects another port. */
  readonly flag: string;
  /** 0 selects a free port. */
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

function fault({ what, flag, port }: PortRequest, host: string, code: string | undefined): string {
  if (code === 'EADDRINUSE')
    return `port ${port} (${what}) is in use: stop the program that uses it, or choose another with --${flag}`;
  if (code === 'EACCES')
    return `port ${port} (${what}) needs more permissions than this user has: choose one above 1023 with --${flag}`;
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND')
    return `${host} is not an address of this machine: choose another with --host`;
  return `port ${port} (${what}) cannot be opened (${code}): choose another with --${flag}`;
}

/**
 * Checks all ports before anything starts.
 * @returns the ports in the same order, 0 replaced by a free one
 * @throws StartupError that names each unusable port and the flag that changes it
 */
export async function checkPorts(host: string, requests: readonly PortRequest[]): Promise<readonly number[]> {
  const faults = new Set<string>();
  const ports: number[] = [];
  // Each port is held until all are known, because a released port could be chosen a second time.
  const held: net.Server[] = [];
  for (const request of requests) {
    const twin = request.port === 0 ? -1 : ports.indexOf(request.port);
    if (twin >= 0) {
      faults.add(`port ${request.port} is used twice, by --${requests[twin]?.flag} and by --${request.flag}`);
      ports.push(request.port);
      continue;
    }
    try {
      const server = await holdPort(host, request.port);
      held.push(server);
      ports.push(portOf(server));
    } catch (error) {
      faults.add(fault(request, host, errorCode(error)));
      ports.push(request.port);
    }
  }
  await Promise.all(held.map(release));
  if (faults.size > 0) throw new StartupError([...faults].map((text) => `cl-server: ${text}`).join('\n'));
  return ports;
}
