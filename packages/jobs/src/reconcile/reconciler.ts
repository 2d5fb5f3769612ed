import { setTimeout as pause } from 'node:timers/promises';
import type { Broadcaster, FolderIdentity, Logger } from '@cl-server/service-kit';
import type { Relay } from '../events/relay.js';
import type { StatusTopic } from '../events/status-topic.js';
import type { ImpossibleJobs } from '../workers/impossible-jobs.js';
import { type FoldersOptions, failWithoutFiles, tidyFolders } from './folders.js';
import { clearOldStatuses, correctStaleStatuses } from './statuses.js';

/** Age at which unfinished uploads and removals are deleted: the longest upload takes less. */
const MAX_UPLOAD_MS = 24 * 3_600_000;
const FULL_INTERVAL_MS = 600_000;
const MAX_QUICK_INTERVAL_MS = 1_000;

/** The repairs of one pass of the reconciler. */
export interface ReconcileReport {
  readonly leases_expired: number;
  readonly requeued: number;
  readonly failed_worker_lost: number;
  /** Queued jobs whose input no longer exists: failed for good. */
  readonly jobs_without_files: number;
  /** Queued jobs of tasks that no worker can run: failed for good. */
  readonly jobs_without_worker: number;
  /** Jobs of an earlier release whose files were counted for their users. */
  readonly jobs_measured: number;
  /** Jobs that ended longer ago than ended jobs are kept. */
  readonly ended_jobs_removed: number;
  readonly directories_removed: number;
  readonly attempts_removed: number;
  readonly uploads_removed: number;
  readonly events_relayed: number;
  readonly statuses_cleared: number;
  readonly statuses_corrected: number;
}

export interface Reconciler {
  /** Cheap: expired leases, impossible jobs, unsent events. Every second. */
  quick(): Promise<ReconcileReport>;
  /** Everything, folders too. Every few minutes, and at start. */
  full(): Promise<ReconcileReport>;
  /** Runs both by the clock until the signal; logs what was repaired. Several processes may run at once. */
  run(signal: AbortSignal, options?: { readonly quickEveryMs?: number; readonly fullEveryMs?: number }): Promise<void>;
}

export interface ReconcilerOptions extends FoldersOptions {
  readonly broadcaster: Broadcaster;
  /** Undefined without a broker. */
  readonly relay: Relay | undefined;
  readonly status: StatusTopic | undefined;
  /** Whether the broker is this platform's alone. */
  readonly ownsBroker: boolean;
  readonly identity: FolderIdentity;
  readonly impossible: Pick<ImpossibleJobs, 'failAll' | 'listen'>;
  readonly usage: { measure(): Promise<number> };
  readonly leaseMs: number;
  /** Ended jobs older than this are removed; 0: kept for ever. */
  readonly retentionMs: number;
  /** Ended jobs that one pass removes at most, because no lease is looked at meanwhile. */
  readonly retentionBatch: number;
  readonly logger: Logger;
}

const NOTHING: ReconcileReport = {
  leases_expired: 0,
  requeued: 0,
  failed_worker_lost: 0,
  jobs_without_files: 0,
  jobs_without_worker: 0,
  jobs_measured: 0,
  ended_jobs_removed: 0,
  directories_removed: 0,
  attempts_removed: 0,
  uploads_removed: 0,
  events_relayed: 0,
  statuses_cleared: 0,
  statuses_corrected: 0,
};

/**
 * Finds what crashes left half done and repairs it. Every step reads, then changes under a condition that still holds, so
 * that several processes may reconcile at once.
 */
export class JobReconciler implements Reconciler {
  readonly #options: ReconcilerOptions;

  constructor(options: ReconcilerOptions) {
    this.#options = options;
  }

  async quick(): Promise<ReconcileReport> {
    const { repository, relay, status, broadcaster, kysely, now, impossible } = this.#options;
    const { requeued, failed } = await repository.leases.expire();
    await repository.leases.promote();
    return {
      ...NOTHING,
      leases_expired: requeued + failed,
      requeued,
      failed_worker_lost: failed,
      jobs_without_worker: await impossible.failAll(),
      events_relayed: relay ? await relay.run() : 0,
      statuses_cleared: status && broadcaster.connected ? await clearOldStatuses(kysely, status, now()) : 0,
    };
  }

  async full(): Promise<ReconcileReport> {
    const { storage, now } = this.#options;
    const quick = await this.quick();
    const mismatch = await this.#options.identity.mismatch();
    if (mismatch !== undefined) {
      // Every job would seem to have lost its files, and every folder its job.
      this.#options.logger.error(
        { reason: mismatch },
        'job files are not checked: the folder belongs to another database',
      );
      return quick;
    }
    return {
      ...quick,
      jobs_without_files: await failWithoutFiles(this.#options),
      ended_jobs_removed: await this.#deleteOld(),
      jobs_measured: await this.#options.usage.measure(),
      ...(await tidyFolders(this.#options)),
      uploads_removed: await storage.sweep(now() - MAX_UPLOAD_MS),
      statuses_corrected: await this.#correctStatuses(),
    };
  }

  async #correctStatuses(): Promise<number> {
    const { status, broadcaster, repository } = this.#options;
    if (!status || !broadcaster.connected) return 0;
    return correctStaleStatuses({ ...this.#options, status, read: (jobIds) => repository.getJobs(jobIds) });
  }

  async #deleteOld(): Promise<number> {
    const { repository, retentionMs, retentionBatch, now } = this.#options;
    if (retentionMs === 0) return 0;
    const { deleted_count } = await repository.cleanup(now() - retentionMs, retentionBatch);
    return deleted_count;
  }

  async run(
    signal: AbortSignal,
    { quickEveryMs, fullEveryMs = FULL_INTERVAL_MS }: { quickEveryMs?: number; fullEveryMs?: number } = {},
  ): Promise<void> {
    // Not awaited: a broker that does not answer must not hold up the repairs.
    const listening = this.#options.impossible.listen();
    const every = quickEveryMs ?? Math.min(MAX_QUICK_INTERVAL_MS, this.#options.leaseMs / 4);
    let nextFull = performance.now();
    while (!signal.aborted) {
      const isFull = performance.now() >= nextFull;
      if (isFull) nextFull = performance.now() + fullEveryMs;
      await this.#pass(isFull);
      await pause(every, undefined, { signal, ref: false }).catch(() => undefined);
    }
    await (await listening)();
  }

  async #pass(isFull: boolean): Promise<void> {
    const { logger } = this.#options;
    try {
      const report = isFull ? await this.full() : await this.quick();
      const repaired = Object.entries(report).filter(([, count]) => count > 0);
      if (repaired.length > 0) logger.info(Object.fromEntries(repaired), 'jobs reconciled');
    } catch (error) {
      logger.error({ err: error }, 'jobs could not be reconciled; tried again soon');
    }
  }
}
