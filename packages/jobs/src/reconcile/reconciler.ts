import { setTimeout as pause } from 'node:timers/promises';
import type { Broadcaster, FolderIdentity, Logger } from '@cl-server/service-kit';
import type { Relay } from '../events/relay.js';
import type { StatusTopic } from '../events/status-topic.js';
import type { ReconcileReport, Reconciler } from '../types.js';
import type { ImpossibleJobs } from '../workers/impossible-jobs.js';
import { type FoldersOptions, failWithoutFiles, tidyFolders } from './folders.js';
import { correctStaleStatuses } from './stale-statuses.js';
import { clearOldStatuses } from './statuses.js';

/** Unfinished uploads and removals: the longest upload takes less. */
const UPLOAD_MS = 24 * 3_600_000;
const FULL_EVERY_MS = 600_000;
const MAX_QUICK_EVERY_MS = 1_000;

export interface ReconcilerOptions extends FoldersOptions {
  readonly broadcaster: Broadcaster;
  /** Absent where there is no broker. */
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
 * Finds what crashes left half done and mends it. Every step reads, then changes under a condition that still holds, so
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
      // Every job would look as if its files were gone, and every folder as if its job were.
      this.#options.logger.error({ reason: mismatch }, 'job files are left alone');
      return quick;
    }
    return {
      ...quick,
      jobs_without_files: await failWithoutFiles(this.#options),
      ended_jobs_removed: await this.#retire(),
      jobs_measured: await this.#options.usage.measure(),
      ...(await tidyFolders(this.#options)),
      uploads_removed: await storage.sweep(now() - UPLOAD_MS),
      statuses_corrected: await this.#correctStatuses(),
    };
  }

  async #correctStatuses(): Promise<number> {
    const { status, broadcaster, repository } = this.#options;
    if (!status || !broadcaster.connected) return 0;
    return correctStaleStatuses({ ...this.#options, status, read: (jobIds) => repository.getJobs(jobIds) });
  }

  async #retire(): Promise<number> {
    const { repository, retentionMs, retentionBatch, now } = this.#options;
    if (retentionMs === 0) return 0;
    const { deleted_count } = await repository.cleanup(now() - retentionMs, retentionBatch);
    return deleted_count;
  }

  async run(
    signal: AbortSignal,
    { quickEveryMs, fullEveryMs = FULL_EVERY_MS }: { quickEveryMs?: number; fullEveryMs?: number } = {},
  ): Promise<void> {
    const stopListening = await this.#options.impossible.listen();
    const every = quickEveryMs ?? Math.min(MAX_QUICK_EVERY_MS, this.#options.leaseMs / 4);
    let nextFull = performance.now();
    while (!signal.aborted) {
      const isFull = performance.now() >= nextFull;
      if (isFull) nextFull = performance.now() + fullEveryMs;
      await this.#pass(isFull);
      await pause(every, undefined, { signal, ref: false }).catch(() => undefined);
    }
    await stopListening();
  }

  async #pass(isFull: boolean): Promise<void> {
    const { logger } = this.#options;
    try {
      const report = isFull ? await this.full() : await this.quick();
      const mended = Object.entries(report).filter(([, count]) => count > 0);
      if (mended.length > 0) logger.info(Object.fromEntries(mended), 'jobs reconciled');
    } catch (error) {
      logger.error({ err: error }, 'jobs could not be reconciled; tried again soon');
    }
  }
}
