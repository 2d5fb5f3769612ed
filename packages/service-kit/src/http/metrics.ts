import { collectDefaultMetrics, Registry } from 'prom-client';
import { RequestDurations } from './request-durations.js';

export { Counter, Gauge, Histogram } from 'prom-client';
export type MetricsRegistry = Registry;

/** The registry of one process. It is passed to the code that measures; there is no global registry. */
export function createMetrics(service: string): MetricsRegistry {
  const registry = new Registry();
  registry.setDefaultLabels({ service });
  collectDefaultMetrics({ register: registry });
  return registry;
}

export interface HttpMetrics {
  observe(method: string, route: string, status: number, seconds: number): void;
}

export function httpMetrics(registry: MetricsRegistry): HttpMetrics {
  const durations = new RequestDurations();
  registry.registerMetric(durations as never);
  return durations;
}
