/**
 * Refuses, before anything else is looked at, requests that a stranger's web page makes a browser send: those for a name
 * that is not this server's (DNS rebinding), and those that would change something (cross-site request forgery). The
 * second matters where a door stands open without a token: under `--no-auth` and in guest mode.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { badRequest, forbidden, HttpError } from '../errors.js';
import type { AllowedHosts } from './allowed-hosts.js';

/** A refusal with 400 or 421, if there is one. */
function faultOfHost({ raw }: FastifyRequest, hosts: AllowedHosts): HttpError | undefined {
  // Node keeps the first of several.
  const given = raw.rawHeaders.filter((name, index) => index % 2 === 0 && /^host$/i.test(name)).length;
  if (given > 1) return badRequest('The request has more than one Host header: send one');
  const { host } = raw.headers;
  // Only HTTP/1.0 may come without one, and no browser speaks it.
  if (host === undefined || hosts.accepts(host)) return undefined;
  return new HttpError(
    421,
    'This server does not answer to this Host. If it is one of its names, add it to the setting ALLOWED_HOSTS',
    { code: 'host_not_allowed' },
  );
}

/** A refusal with 403, if there is one. */
function faultOfOrigin({ method, headers }: FastifyRequest, hosts: AllowedHosts): HttpError | undefined {
  if (method === 'GET' || method === 'HEAD' || method === 'OPTIONS') return undefined;
  // Browsers set Sec-Fetch-Site themselves; a page cannot.
  const site = headers['sec-fetch-site'];
  if (site === 'same-origin' || site === 'none') return undefined;
  const { origin, host } = headers;
  if (origin === undefined ? site === undefined : hosts.acceptsOrigin(origin, host)) return undefined;
  return forbidden(
    'This request comes from a web page of another origin. If the page may use this server, add its origin to CORS_ORIGINS',
    { code: 'cross_site' },
  );
}

export function guardCallers(fastify: FastifyInstance, hosts: AllowedHosts): void {
  fastify.addHook('onRequest', (request, _reply, done) => {
    done(faultOfHost(request, hosts) ?? faultOfOrigin(request, hosts));
  });
}
