/** The endpoints that every service has: liveness, readiness and metrics. */

import { livez, metrics as metricsEndpoint, type Output, type Readiness, readyz } from '@cl-server/contract';
import { messageOf } from '@cl-server/kit';
import type { FastifyRequest } from 'fastify';
import { isLoopbackAddress } from '../process/loopback.js';
import type { Authorize } from '../tokens/guard.js';
import { Answer, type EndpointTable } from './handler.js';
import type { MetricsRegistry } from './metrics.js';
import type { ReadinessCheck } from './readiness-checks.js';

export interface SystemOptions {
  /** Each thing that the service needs, by name; and what it can do without. */
  readonly checks?: Readonly<Record<string, ReadinessCheck>>;
  readonly optionalChecks?: Readonly<Record<string, ReadinessCheck>>;
  readonly metrics: MetricsRegistry;
  readonly authorize: Authorize;
  /** Whether anyone may read the metrics. */
  readonly openMetrics?: boolean;
}

/** Readiness is asked by load balancers that give up soon, so a check that hangs counts as failed after this time. */
const CHECK_TIMEOUT_MS = 1_500;

async function inTime<T>(check: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${CHECK_TIMEOUT_MS} ms`)), CHECK_TIMEOUT_MS);
  });
  try {
    return await Promise.race([check, tooLate]);
  } finally {
    clearTimeout(timer);
  }
}

async function runChecks(checks: Readonly<Record<string, ReadinessCheck>>): Promise<Readiness['checks']> {
  const results: Readiness['checks'] = {};
  await Promise.all(
    Object.entries(checks).map(async ([name, check]) => {
      results[name] = await inTime(Promise.resolve().then(check)).then(
        (ok) => ({ ok }),
        (error: unknown) => ({ ok: false, message: messageOf(error) }),
      );
    }),
  );
  return results;
}

/** Whether a request comes from this machine itself, and not by way of a proxy on it. */
const isLocal = ({ raw, headers }: FastifyRequest): boolean =>
  isLoopbackAddress(raw.socket.remoteAddress ?? '') &&
  headers['x-forwarded-for'] === undefined &&
  headers.forwarded === undefined;

/** The metrics show versions, load and tasks, so only the operator may see them. @throws HttpError 401, 403 */
async function onlyOperators(request: FastifyRequest, { authorize, openMetrics }: SystemOptions): Promise<void> {
  if (openMetrics !== true && !isLocal(request)) await authorize('admin', request);
}

export function serveSystem(app: EndpointTable, options: SystemOptions): void {
  const { checks = {}, optionalChecks = {}, metrics } = options;
  app.handle(livez, (): Output<typeof livez> => ({ status: 'alive' }));
  app.handle(readyz, async () => {
    const [needed, optional] = await Promise.all([runChecks(checks), runChecks(optionalChecks)]);
    const results: Readiness['checks'] = { ...needed };
    for (const [name, result] of Object.entries(optional)) results[name] = { ...result, optional: true };
    const ready = Object.values(needed).every(({ ok }) => ok);
    return ready
      ? { status: 'ready', checks: results }
      : new Answer(503, { status: 'not_ready', checks: results }, { 'retry-after': '2' });
  });
  app.handle(metricsEndpoint, async ({ request, reply }) => {
    await onlyOperators(request, options);
    return reply.type(metrics.contentType).send(await metrics.metrics());
  });
}
