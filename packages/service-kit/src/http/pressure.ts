/**
 * Refuses new requests while the process is overloaded, so that the running ones can end: its heap is nearly full, or
 * its event loop is late again and again. Vital endpoints are always answered: to be under pressure is to live, and the other
 * services know by the keys and the revocations of auth whom to let in.
 *
 * One look is no proof: garbage fills a heap before it is collected, and a single pause of a busy machine is over when it
 * is seen. So the pressure must show in several looks in a row.
 */
import { getHeapStatistics } from 'node:v8';
import type { AnyEndpoint } from '@cl-server/contract';
import type { FastifyInstance } from 'fastify';
import { HttpError } from '../errors.js';

export interface PressureLimits {
  /** Share of the heap's limit. */
  readonly maxHeapShare?: number;
  /** Milliseconds by which the event loop may be late. */
  readonly maxDelay?: number;
  /** Looks in a row that must show pressure. */
  readonly looks?: number;
  /** Milliseconds between two looks. */
  readonly every?: number;
}

export function refuseUnderPressure(
  fastify: FastifyInstance,
  endpoints: readonly AnyEndpoint[],
  limits: PressureLimits = {},
): void {
  const vital = new Set<string | undefined>(
    endpoints.filter(({ isVital }) => isVital).flatMap(({ path, aliases = [] }) => [path, ...aliases]),
  );
  const { maxHeapShare = 0.9, maxDelay = 1_000, looks = 3, every = 500 } = limits;
  const maxHeap = maxHeapShare * getHeapStatistics().heap_size_limit;
  let inARow = 0;
  let expected = performance.now() + every;
  const timer = setInterval(() => {
    const now = performance.now();
    const isLate = now - expected > maxDelay;
    expected = now + every;
    inARow = isLate || process.memoryUsage().heapUsed > maxHeap ? inARow + 1 : 0;
  }, every).unref();
  fastify.addHook('onClose', async () => clearInterval(timer));
  fastify.addHook('onRequest', (request, _reply, done) => {
    if (inARow < looks || vital.has(request.routeOptions.url)) return done();
    done(
      new HttpError(503, 'The server is overloaded. Try again in a few seconds', {
        code: 'overloaded',
        headers: { 'retry-after': '5' },
      }),
    );
  });
}
