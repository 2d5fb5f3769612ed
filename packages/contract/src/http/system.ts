/** Endpoints that all services have. */
import { z } from 'zod';
import { type AnyEndpoint, endpoint } from './endpoint.js';

export const readiness = z
  .object({
    status: z.enum(['ready', 'not_ready']),
    checks: z.record(
      z.string(),
      z.object({
        ok: z.boolean(),
        message: z.string().optional(),
        optional: z
          .literal(true)
          .optional()
          .describe('The service works without this dependency, so readiness does not depend on it'),
      }),
    ),
  })
  .meta({ id: 'Readiness' });
export type Readiness = z.infer<typeof readiness>;

export const livez = endpoint({
  id: 'livez',
  method: 'GET',
  path: '/livez',
  aliases: ['/healthz'],
  guard: 'public',
  isVital: true,
  tag: 'system',
  summary: 'Liveness check; it uses no dependency',
  responses: { 200: { description: 'Alive', schema: z.object({ status: z.literal('alive') }) } },
});

export const readyz = endpoint({
  id: 'readyz',
  method: 'GET',
  path: '/readyz',
  guard: 'public',
  tag: 'system',
  summary: 'Readiness check of all dependencies of the service',
  responses: {
    200: { description: 'Ready', schema: readiness },
    503: { description: 'Not ready', schema: readiness },
  },
});

export const metrics = endpoint({
  id: 'metrics',
  method: 'GET',
  path: '/metrics',
  guard: 'public',
  tag: 'system',
  summary: 'Metrics in Prometheus text format',
  responses: {
    200: { description: 'Metrics', content: 'text/plain' },
    401: { description: 'The request comes from another machine and has no token, and `METRICS_ACCESS` is not `open`' },
    403: { description: 'The request comes from another machine, and its token is not an admin’s' },
  },
});

export const systemEndpoints: readonly AnyEndpoint[] = [livez, readyz, metrics];
