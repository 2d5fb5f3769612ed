import { type Job, TOPICS } from '@cl-server/contract';
import type { Broadcaster, Logger } from '@cl-server/service-kit';
import { type JobRecord, jobView } from '../job.js';

/** After an end, the status is published once more: another process may have been slower with an older one. */
const AGAIN_MS = 500;
const BATCH_SIZE = 100;

export interface StatusTopicOptions {
  readonly broadcaster: Broadcaster;
  readonly logger: Logger;
  readonly read: (jobIds: readonly string[]) => Promise<ReadonlyMap<string, JobRecord>>;
}

/**
 * `job/status/{id}`: the whole job, retained. Always the state as it is in the database at that moment; several changes
 * in quick succession give one message. The topic of a deleted job is cleared.
 */
export class StatusTopic {
  readonly #options: StatusTopicOptions;
  readonly #changed = new Set<string>();
  readonly #again = new Map<string, NodeJS.Timeout>();
  #running: Promise<void> | undefined;

  constructor(options: StatusTopicOptions) {
    this.#options = options;
  }

  /** @param ended whether this is the job's last state */
  show(jobId: string, ended: boolean): void {
    this.#changed.add(jobId);
    this.#running ??= this.#run();
    if (!ended || this.#again.has(jobId)) return;
    const timer = setTimeout(() => {
      this.#again.delete(jobId);
      this.show(jobId, false);
    }, AGAIN_MS).unref();
    this.#again.set(jobId, timer);
  }

  clear(jobId: string): Promise<boolean> {
    return this.#options.broadcaster.clearRetained(TOPICS.jobStatus(jobId));
  }

  /** Waits until what changed is published; the repetitions are done now and not later. */
  async flush(): Promise<void> {
    for (const [jobId, timer] of this.#again) {
      clearTimeout(timer);
      this.#again.delete(jobId);
      this.show(jobId, false);
    }
    await this.#running;
  }

  async #run(): Promise<void> {
    await undefined;
    try {
      while (this.#changed.size > 0) {
        const ids = [...this.#changed].slice(0, BATCH_SIZE);
        for (const id of ids) this.#changed.delete(id);
        const jobs = await this.#options.read(ids);
        await Promise.all(ids.map((id) => this.#publish(id, jobs.get(id))));
        await this.#clearDeleted([...jobs.keys()]);
      }
    } catch (error) {
      // The next change of these jobs shows them, or the relay; no caller waits for this.
      this.#options.logger.error({ err: error }, 'job statuses could not be published');
    } finally {
      this.#running = undefined;
    }
  }

  /**
   * A job that another process deleted after it was read here: its empty message may have come first, and what was
   * published here would stay for ever. A deletion from now on clears the topic after this message.
   */
  async #clearDeleted(published: readonly string[]): Promise<void> {
    if (published.length === 0) return;
    const there = await this.#options.read(published);
    await Promise.all(published.filter((id) => !there.has(id)).map((id) => this.clear(id)));
  }

  #publish(jobId: string, job: JobRecord | undefined): Promise<boolean> {
    if (!job) return this.clear(jobId);
    return this.#options.broadcaster.publish(TOPICS.jobStatus(jobId), jobView(job) satisfies Job, {
      qos: 1,
      retain: true,
    });
  }
}
