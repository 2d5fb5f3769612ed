/**
 * The document by which one address is enough to use the whole platform: auth tells where the other services are.
 *
 * A platform that listens on all interfaces does not know the name by which a client reaches it. An address is therefore either a
 * port on the host that the client used, or a URL reference that the operator configured (RFC 3986, resolved against the address at
 * which the document was found): a whole URL, or a path such as `/store` behind a gateway or reverse proxy.
 */
import { z } from 'zod';

export const platformAddress = z
  .union([
    z.object({ port: z.int().min(1).max(65_535).describe('A port on the host at which this document was found') }),
    z.object({
      url: z
        .string()
        .max(2_000)
        .describe('A URL, or a reference relative to the address at which this document was found'),
    }),
  ])
  .meta({ id: 'PlatformAddress' });
export type PlatformAddress = z.infer<typeof platformAddress>;

export const platformAddresses = z
  .object({
    product: z.literal('cl-server'),
    auth: platformAddress.optional().describe('Absent if it is the address at which this document was found'),
    store: platformAddress,
    compute: platformAddress,
    mqtt: platformAddress
      .nullable()
      .describe('MQTT over TCP; a port is one without TLS. Null if there is none for clients'),
    mqtt_ws: platformAddress.nullable().describe('MQTT over WebSocket, for browsers. Null if there is none'),
  })
  .meta({ id: 'PlatformAddresses' });
export type PlatformAddresses = z.infer<typeof platformAddresses>;
