/** Endpoints that every service has. */
import { z } from 'zod';
import { type AnyEndpoint, endpoint } from './endpoint.js';

export const readiness = z.object({
  status: z.enum(['ready', 'not_ready']),
  checks: z.record(
    z.string(),
    z.object({
      ok: z.boolean(),
      message: z.string().optional(),
      optional: z
        .literal(true)
        .optional()
        .describe('The service works without it, so that readiness does not depend on it'),
    }),
  ),
});
export type Readiness = z.infer<typeof readiness>;

export const livez = endpoint({
  id: 'livez',
  method: 'GET',
  path: '/livez',
  aliases: ['/healthz'],
  guard: 'public',
  isVital: true,
  tag: 'system',
  summary: 'Whether the process answers; asks nothing else',
  responses: { 200: { description: 'Alive', schema: z.object({ status: z.literal('alive') }) } },
});

export const readyz = endpoint({
  id: 'readyz',
  method: 'GET',
  path: '/readyz',
  guard: 'public',
  tag: 'system',
  summary: 'Whether each thing that the service needs is there',
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
  summary: 'Metrics in the Prometheus text format',
  responses: {
    200: { description: 'Metrics', content: 'text/plain' },
    401: { description: 'From another machine without a token, unless `METRICS_ACCESS` is `open`' },
    403: { description: 'From another machine with a token that is no admin’s' },
  },
});

export const systemEndpoints: readonly AnyEndpoint[] = [livez, readyz, metrics];
