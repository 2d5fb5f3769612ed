/** The things that every part of the queue works with. */
import type { JobErrorCode } from '@cl-server/contract';
import type { Database } from '@cl-server/service-kit';
import type { Outbox } from './events/outbox.js';
import type { Committed } from './events/publisher.js';
import type { RetryPolicy } from './machine.js';
import type { JobTables } from './tables.js';

export interface JobContext {
  readonly database: Database<JobTables>;
  /** Status changes on their way to the broker; undefined without a broker. */
  readonly outbox: Outbox | undefined;
  /** Whether the whole job is published, retained, at each of its changes. */
  readonly publishesStatus: boolean;
  /** Publishes what has been committed; called after each commit, in their order. */
  readonly publish: (changes: readonly Committed[]) => void;
  readonly leaseMs: number;
  readonly retryPolicy: RetryPolicy;
  readonly metrics: JobMetrics;
  readonly now: () => number;
  /** A clock that nobody can set, in milliseconds. */
  readonly monotonic: () => number;
}

/** Receives numbers for a metrics page; all methods are optional. Durations in seconds. */
export interface JobMetrics {
  claimed?(taskType: string, waitSeconds: number): void;
  completed?(taskType: string, runSeconds: number): void;
  failed?(taskType: string, code: JobErrorCode, runSeconds: number): void;
  retried?(taskType: string, code: JobErrorCode): void;
  leaseExpired?(taskType: string): void;
  /** A report of an attempt that no longer holds the job was refused. */
  fenced?(operation: 'renew' | 'progress' | 'complete' | 'fail'): void;
}
