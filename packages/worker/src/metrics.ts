/** This worker's own numbers for Prometheus; the compute service has those of the queue. */
import http from 'node:http';
import type { JobMetrics } from '@cl-server/jobs';
import { AllowedHosts, Counter, createMetrics, Gauge, Histogram, type MetricsRegistry } from '@cl-server/service-kit';
import type { Slots } from './engine/slots.js';

/** Seconds, from a thumbnail to a film. */
const BUCKETS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800];

export function jobMetrics(registry: MetricsRegistry): JobMetrics {
  const registers = [registry];
  const wait = new Histogram({
    name: 'cls_worker_wait_seconds',
    help: 'From creation to the start, of jobs that this worker took',
    labelNames: ['task'] as const,
    buckets: BUCKETS,
    registers,
  });
  const run = new Histogram({
    name: 'cls_worker_run_seconds',
    help: 'From the start to the end, of jobs that this worker ran',
    labelNames: ['task'] as const,
    buckets: BUCKETS,
    registers,
  });
  const counter = <L extends string>(name: string, help: string, ...labelNames: L[]) =>
    new Counter({ name, help, labelNames, registers });
  const failures = counter('cls_worker_failures_total', 'Jobs that failed here, by reason', 'task', 'code');
  const retries = counter('cls_worker_retries_total', 'Jobs put back after a failure here', 'task', 'code');
  const expiries = counter('cls_worker_lease_expiries_total', 'Leases that ran out, as this worker found', 'task');
  const fenced = counter('cls_worker_late_writes_total', 'Reports of this worker that came too late', 'operation');
  return {
    claimed: (task, seconds) => wait.observe({ task }, seconds),
    completed: (task, seconds) => run.observe({ task }, seconds),
    failed: (task, code, seconds) => {
      failures.inc({ task, code });
      run.observe({ task }, seconds);
    },
    retried: (task, code) => retries.inc({ task, code }),
    leaseExpired: (task) => expiries.inc({ task }),
    fenced: (operation) => fenced.inc({ operation }),
  };
}

export function slotMetrics(registry: MetricsRegistry, slots: Slots): void {
  new Gauge({
    name: 'cls_worker_busy',
    help: 'Jobs or batches that run now',
    registers: [registry],
    collect() {
      this.set(slots.busy);
    },
  });
}

export const workerMetrics = (): MetricsRegistry => createMetrics('worker');

/** Serves `/metrics` on loopback. @returns a function that ends it */
export async function serveMetrics(registry: MetricsRegistry, port: number): Promise<() => Promise<void>> {
  const hosts = new AllowedHosts();
  const server = http.createServer((request, response) => {
    if (!hosts.accepts(request.headers.host ?? '')) {
      response.writeHead(421).end();
      return;
    }
    if (request.method !== 'GET' || request.url !== '/metrics') {
      response.writeHead(404).end();
      return;
    }
    registry.metrics().then(
      (text) => response.writeHead(200, { 'content-type': registry.contentType }).end(text),
      () => response.writeHead(500).end(),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  return () =>
    new Promise((resolve) => {
      server.closeAllConnections();
      server.close(() => resolve());
    });
}
