import { isTerminal } from '@cl-server/contract';
import type { Broadcaster } from '@cl-server/service-kit';
import type { JobRecord } from '../job.js';
import type { OutboxRow } from '../tables.js';
import type { Outbox } from './outbox.js';
import type { StatusTopic } from './status-topic.js';

/** An entry this young may still be on its way in the process that made it. */
const GRACE_MS = 2_000;
const BATCH = 500;

export interface RelayOptions {
  readonly broadcaster: Broadcaster;
  readonly outbox: Outbox;
  readonly topic: string;
  readonly status: StatusTopic | undefined;
  readonly read: (jobIds: readonly string[]) => Promise<ReadonlyMap<string, JobRecord>>;
  readonly now: () => number;
}

/**
 * Publishes what was left behind in the outbox: for each job its present state, once, because older steps would come after
 * newer ones. A second relay at the same time does no harm; an event may come twice.
 */
export class Relay {
  readonly #options: RelayOptions;

  constructor(options: RelayOptions) {
    this.#options = options;
  }

  /** @returns entries taken off the outbox */
  async run(): Promise<number> {
    const { broadcaster, outbox, now } = this.#options;
    let relayed = 0;
    while (broadcaster.connected) {
      const rows = await outbox.left(now() - GRACE_MS, BATCH);
      const delivered = await this.#publish(rows);
      await outbox.remove(delivered);
      relayed += delivered.length;
      if (delivered.length < rows.length || rows.length < BATCH) break;
    }
    return relayed;
  }

  async #publish(rows: readonly OutboxRow[]): Promise<number[]> {
    const byJob = new Map<string, number[]>();
    for (const { job_id, seq } of rows) byJob.set(job_id, [...(byJob.get(job_id) ?? []), seq]);
    const jobs = await this.#options.read([...byJob.keys()]);
    const delivered: number[] = [];
    for (const [jobId, seqs] of byJob) if (await this.#publishJob(jobId, jobs.get(jobId))) delivered.push(...seqs);
    return delivered;
  }

  async #publishJob(jobId: string, job: JobRecord | undefined): Promise<boolean> {
    const { status } = this.#options;
    if (!job) return status ? status.clear(jobId) : true;
    if (!(await this.#send(job))) return false;
    status?.show(jobId, isTerminal(job.status));
    if (isTerminal(job.status)) return true;
    // It may have ended, and its end been published, between reading and sending: then the end must come last.
    const later = (await this.#options.read([jobId])).get(jobId);
    return later && isTerminal(later.status) ? this.#send(later) : true;
  }

  #send({ job_id, status, updated_at, created_at, progress }: JobRecord): Promise<boolean> {
    const event = { job_id, event_type: status, timestamp: updated_at ?? created_at, progress };
    return this.#options.broadcaster.publish(this.#options.topic, event, { qos: 1 });
  }
}
