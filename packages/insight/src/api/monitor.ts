/**
 * The last status that the store received from the insight worker. A worker that sent none for a long time is offline. If
 * there is no broker, its lease and the rows in the database give the same information, except for the rate.
 */

import { type InsightStatus, insightStatus, TOPICS } from '@cl-server/contract';
import type { Broadcaster } from '@cl-server/service-kit';
import type { InsightDatabase } from '../port.js';
import { INSIGHT_LEASE, leaseEnd } from '../worker/lease.js';
import { readBacklog } from '../worker/progress.js';

/** Milliseconds; the worker sends a status every five seconds. */
const SILENT = 20_000;

export class InsightMonitor {
  readonly #broadcaster: Broadcaster;
  readonly #db: InsightDatabase;
  readonly #now: () => number;
  #last: { status: InsightStatus; heardAt: number } | undefined;
  #stop: (() => Promise<void>) | undefined;

  constructor(broadcaster: Broadcaster, db: InsightDatabase, now: () => number) {
    this.#broadcaster = broadcaster;
    this.#db = db;
    this.#now = now;
  }

  async start(storePort: number): Promise<void> {
    this.#stop = await this.#broadcaster.subscribe(TOPICS.insightStatus(storePort), (_topic, payload) => {
      const parsed = insightStatus.safeParse(parse(payload));
      if (parsed.success) this.#last = { status: parsed.data, heardAt: this.#now() };
    });
  }

  /** Null if no worker was ever seen. */
  async status(): Promise<InsightStatus | null> {
    if (!this.#last) return this.#seen();
    const { status, heardAt } = this.#last;
    return this.#now() - heardAt > SILENT ? { ...status, status: 'offline' } : status;
  }

  async #seen(): Promise<InsightStatus | null> {
    const until = await leaseEnd(this.#db, INSIGHT_LEASE);
    if (until === undefined) return null;
    const backlog = await readBacklog(this.#db);
    const isBusy = backlog.pending + backlog.running > 0;
    return {
      status: until < this.#now() ? 'offline' : isBusy ? 'running' : 'idle',
      timestamp: this.#now(),
      version_start: null,
      version_end: null,
      processed_count: null,
      ...backlog,
    };
  }

  async close(): Promise<void> {
    await this.#stop?.();
  }
}

/** @returns undefined if the text is not JSON */
function parse(payload: Buffer): unknown {
  try {
    return JSON.parse(payload.toString('utf8'));
  } catch {
    return undefined;
  }
}
