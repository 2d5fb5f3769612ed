/** Job metrics for Prometheus. Queue depths are read from the database at each scrape; ends of jobs arrive as events. */
import { isTerminal, type JobEvent } from '@cl-server/contract';
import type { JobEvents, JobMetrics, JobRecord, JobRepository, QueueStats, Stats } from '@cl-server/jobs';
import { Counter, Gauge, Histogram, type Logger, type MetricsRegistry } from '@cl-server/service-kit';

/** Bucket limits in seconds: a thumbnail takes milliseconds, a film half an hour. */
const BUCKETS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800];
const FLUSH_EVERY = 1_000;
const CHUNK = 200;
/** Ended jobs that are remembered, because the end of a quick job is announced twice. */
const MAX_REMEMBERED = 20_000;

/** The metrics that the job engine of this process counts. */
export function engineMetrics(registry: MetricsRegistry): JobMetrics {
  const expiries = new Counter({
    name: 'cls_job_lease_expiries_total',
    help: 'Leases that expired: the worker had died or hung',
    labelNames: ['task'] as const,
    registers: [registry],
  });
  const fenced = new Counter({
    name: 'cls_job_late_writes_total',
    help: 'Refused reports of workers that had lost their job',
    labelNames: ['operation'] as const,
    registers: [registry],
  });
  return { leaseExpired: (task) => expiries.inc({ task }), fenced: (operation) => fenced.inc({ operation }) };
}

/** The depths of the queue. All gauges of one scrape share one query of the database. */
export function queueMetrics(registry: MetricsRegistry, repository: JobRepository, logger: Logger): void {
  let looking: Promise<Stats | undefined> | undefined;
  const look = (): Promise<Stats | undefined> => {
    looking ??= repository
      .stats()
      .catch((error: unknown) => {
        logger.warn({ err: error }, 'the queue could not be measured');
        return undefined;
      })
      .finally(() => {
        looking = undefined;
      });
    return looking;
  };
  const byTask = (name: string, help: string, read: (task: QueueStats) => number): void => {
    new Gauge({
      name,
      help,
      labelNames: ['task'] as const,
      registers: [registry],
      async collect() {
        const stats = await look();
        this.reset();
        for (const task of stats?.by_task ?? []) this.set({ task: task.task_type }, read(task));
      },
    });
  };
  byTask('cls_jobs_queued', 'Queued jobs', ({ queued }) => queued);
  byTask('cls_jobs_processing', 'Jobs in progress', ({ processing }) => processing);
  byTask(
    'cls_jobs_oldest_queued_seconds',
    'Age of the oldest queued job',
    ({ oldest_queued_ms }) => (oldest_queued_ms ?? 0) / 1000,
  );
  new Gauge({
    name: 'cls_job_outbox',
    help: 'Job events that are not yet published to the broker',
    registers: [registry],
    async collect() {
      const stats = await look();
      if (stats) this.set(stats.outbox);
    },
  });
}

interface EndMetrics {
  readonly wait: Histogram<'task'>;
  readonly run: Histogram<'task'>;
  readonly failures: Counter<'task' | 'code'>;
  readonly retries: Counter<'task'>;
}

function endMetrics(registry: MetricsRegistry): EndMetrics {
  const common = { labelNames: ['task'] as const, registers: [registry] };
  return {
    wait: new Histogram({
      ...common,
      name: 'cls_job_wait_seconds',
      help: 'Seconds from the creation of a job to its start',
      buckets: BUCKETS,
    }),
    run: new Histogram({
      ...common,
      name: 'cls_job_run_seconds',
      help: 'Seconds from the start of a job to its end',
      buckets: BUCKETS,
    }),
    failures: new Counter({
      name: 'cls_jobs_failed_total',
      help: 'Jobs that failed permanently, by reason',
      labelNames: ['task', 'code'] as const,
      registers: [registry],
    }),
    retries: new Counter({
      ...common,
      name: 'cls_job_retries_total',
      help: 'Attempts of ended jobs after the first one',
    }),
  };
}

function record(job: JobRecord, { wait, run, failures, retries }: EndMetrics): void {
  const task = job.task_type;
  if (job.started_at !== null) {
    wait.observe({ task }, Math.max(0, job.started_at - job.created_at) / 1000);
    if (job.completed_at !== null) run.observe({ task }, Math.max(0, job.completed_at - job.started_at) / 1000);
  }
  if (job.retry_count > 0) retries.inc({ task }, job.retry_count);
  if (job.status === 'failed') failures.inc({ task, code: job.error_code ?? 'task_failed' });
}

export interface EndedJobs {
  /** Counts all ends that were announced so far. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Counts the jobs that end. With a broker these are the jobs of all processes, without one those that this process ends.
 */
export function countEndedJobs(
  registry: MetricsRegistry,
  { repository, events, logger }: { repository: JobRepository; events: JobEvents; logger: Logger },
): EndedJobs {
  const metrics = endMetrics(registry);
  const ended = new Set<string>();
  const seen = new Set<string>();
  const listen = ({ job_id, event_type }: JobEvent): void => {
    if (isTerminal(event_type)) ended.add(job_id);
  };
  const count = (job: JobRecord): void => {
    const end = `${job.job_id} ${job.completed_at}`;
    if (!isTerminal(job.status) || seen.has(end)) return;
    seen.add(end);
    const [oldest] = seen;
    if (seen.size > MAX_REMEMBERED && oldest !== undefined) seen.delete(oldest);
    record(job, metrics);
  };
  const flush = async (): Promise<void> => {
    while (ended.size > 0) {
      const some = [...ended].slice(0, CHUNK);
      for (const id of some) ended.delete(id);
      for (const job of (await repository.getJobs(some)).values()) count(job);
    }
  };
  let flushing: Promise<void> = Promise.resolve();
  const timer = setInterval(() => {
    flushing = flush().catch((error: unknown) => logger.warn({ err: error }, 'ended jobs could not be counted'));
  }, FLUSH_EVERY);
  timer.unref();
  const unsubscribe = events.subscribe(listen);
  return {
    flush,
    close: async () => {
      clearInterval(timer);
      unsubscribe();
      await flushing;
    },
  };
}
