/** Finds all addresses of a platform from the one address that the user gave. */
import type { DiscoverOptions, ServerUrls } from '@cl-server/client';
import { CliError, EXIT } from '../exit-codes.js';
import { serviceAt } from '../explain.js';

interface Asker {
  readonly signal: AbortSignal;
  readonly trace: Pick<DiscoverOptions, 'onRequest'>;
}

/** Asks a server for its addresses. @throws CliError if the address has no scheme or is that of another service */
export async function addressesOf(server: string, { signal, trace }: Asker): Promise<ServerUrls> {
  if (!/^[a-z]+:\/\//i.test(server))
    throw new CliError(
      `The address of a server begins with https:// or http://: ${server}`,
      EXIT.usage,
      `Did you mean https://${server} or http://${server}?`,
    );
  const { ConfigError, discover } = await import('@cl-server/client');
  try {
    return await discover(server, { signal, ...trace });
  } catch (error) {
    const service = error instanceof ConfigError ? await serviceAt(server, signal) : undefined;
    if (service === undefined) throw error;
    if (service === 'auth')
      throw new CliError(
        `${server} is a CL Server that does not tell its addresses: it is older than this program`,
        EXIT.notFound,
        'Give all addresses: --auth-url, --store-url, --compute-url and --mqtt-url',
      );
    throw new CliError(
      `${server} is the ${service} service`,
      EXIT.notFound,
      'Give the address of the auth service, or of the proxy in front of it',
      'wrong_address',
    );
  }
}
