import { fastifyCors } from '@fastify/cors';
import type { FastifyInstance } from 'fastify';
import type { AllowedHosts } from './allowed-hosts.js';

const SHARED = {
  exposedHeaders: [
    'content-range',
    'content-disposition',
    'etag',
    'location',
    'x-request-id',
    'upload-offset',
    'upload-length',
    'upload-defer-length',
    'upload-metadata',
    'upload-expires',
    'tus-resumable',
    'tus-version',
    'tus-extension',
    'tus-max-size',
    'x-entity-id',
  ],
  methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
  // An OPTIONS request that no browser's preflight made is answered as if there were no CORS.
  strictPreflight: false,
  maxAge: 600,
};

/** Lets the pages that may read answers do so (CORS). */
export function allowPages(fastify: FastifyInstance, hosts: AllowedHosts): void {
  void fastify.register(fastifyCors, {
    delegator: (request, callback) => {
      const { origin, host } = request.headers;
      callback(null, { ...SHARED, origin: origin !== undefined && hosts.mayRead(origin, host) ? origin : [] });
    },
  });
}
