/** Publishes what this process committed: `inference/events`, `job/status/{id}`, and to listeners in this process. */
import { isTerminal, type JobEvent, type JobStatus, jobEvent } from '@cl-server/contract';
import type { Broadcaster, Logger } from '@cl-server/service-kit';
import type { JobRecord } from '../job.js';
import type { Outbox } from './outbox.js';
import { StatusTopic } from './status-topic.js';

/** Existing clients subscribe only after two round trips, so they would miss the end of a job this short. */
const SHORT_JOB_MS = 1_000;
const REPEAT_MS = 500;

/** A status change or a progress that is in the database now, for the publisher. */
export interface Committed {
  readonly job_id: string;
  readonly event: JobStatus | 'deleted';
  readonly progress: number;
  readonly at: number;
  /** When the job was created. */
  readonly createdAt: number;
  /** Its outbox row; null for progress, and without a broker. */
  readonly outboxSeq: number | null;
  /** Set if only the progress changed. */
  readonly isProgress?: true;
}

export type JobEventListener = (event: JobEvent) => void;

export interface PublisherOptions {
  readonly broadcaster: Broadcaster;
  readonly logger: Logger;
  readonly topic: string;
  /** Undefined without a broker. */
  readonly outbox: Outbox | undefined;
  /** Whether `job/status/{id}` is published. */
  readonly publishesStatus: boolean;
  readonly read: (jobIds: readonly string[]) => Promise<ReadonlyMap<string, JobRecord>>;
  readonly now: () => number;
}

/** Publishes in the order of the commits. */
export class Publisher {
  readonly status: StatusTopic | undefined;
  readonly #options: PublisherOptions;
  readonly #throttle: ProgressThrottle;
  readonly #listeners = new Set<JobEventListener>();
  readonly #inFlight = new Set<Promise<void>>();
  readonly #repeats = new Map<NodeJS.Timeout, JobEvent>();
  #unsubscribe: Promise<() => Promise<void>> | undefined;

  constructor(options: PublisherOptions) {
    this.#options = options;
    this.status = options.publishesStatus ? new StatusTopic(options) : undefined;
    this.#throttle = new ProgressThrottle((job_id, progress) => {
      this.send({ job_id, event_type: 'processing', timestamp: options.now(), progress }, null);
      this.status?.show(job_id, false);
    });
  }

  publish(changes: readonly Committed[]): void {
    for (const change of changes) this.#publishOne(change);
  }

  #publishOne({ job_id, event, progress, at, createdAt, outboxSeq, isProgress }: Committed): void {
    if (isProgress) {
      this.#throttle.report(job_id, progress);
      return;
    }
    this.#throttle.drop(job_id);
    if (event === 'deleted') {
      this.#clear(job_id, outboxSeq);
      return;
    }
    const message: JobEvent = { job_id, event_type: event, timestamp: at, progress };
    this.send(message, outboxSeq);
    const ended = isTerminal(event);
    this.status?.show(job_id, ended);
    if (ended && at - createdAt < SHORT_JOB_MS) this.#repeat(message);
  }

  /** To the broker and to this process' listeners; removes the outbox entry when the broker has it. */
  send(event: JobEvent, outboxSeq: number | null): void {
    this.#notify(event);
    const { broadcaster, topic, outbox } = this.#options;
    if (!outbox) return;
    this.#track(
      broadcaster.publish(topic, event, { qos: 1 }).then((delivered) => {
        if (delivered && outboxSeq !== null) outbox.acknowledge(outboxSeq);
      }),
    );
  }

  #clear(jobId: string, outboxSeq: number | null): void {
    const { status } = this;
    if (!status) return;
    this.#track(
      status.clear(jobId).then((cleared) => {
        if (cleared && outboxSeq !== null) this.#options.outbox?.acknowledge(outboxSeq);
      }),
    );
  }

  #track(work: Promise<void>): void {
    const { logger } = this.#options;
    const tracked = work
      .catch((error: unknown) => logger.error({ err: error }, 'a job event could not be published'))
      .finally(() => this.#inFlight.delete(tracked));
    this.#inFlight.add(tracked);
  }

  #repeat(event: JobEvent): void {
    const timer = setTimeout(() => {
      this.#repeats.delete(timer);
      this.send(event, null);
    }, REPEAT_MS).unref();
    this.#repeats.set(timer, event);
  }

  #notify(event: JobEvent): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener(event);
      } catch (error) {
        this.#options.logger.error({ err: error }, 'a listener failed on a job event');
      }
    }
  }

  /** Events of this process, and through the broker those of all; own ones may come twice. */
  subscribe(listener: JobEventListener): () => void {
    this.#listeners.add(listener);
    const { broadcaster, topic, outbox } = this.#options;
    if (outbox)
      this.#unsubscribe ??= broadcaster.subscribe(topic, (_topic, payload) => {
        const event = parseEvent(payload);
        if (event) this.#notify(event);
      });
    return () => {
      this.#listeners.delete(listener);
    };
  }

  async flush(): Promise<void> {
    await Promise.all(this.#inFlight);
    await this.#options.outbox?.flush();
  }

  /** Repetitions are published now and not later. */
  async close(): Promise<void> {
    this.#throttle.close();
    for (const [timer, event] of this.#repeats) {
      clearTimeout(timer);
      this.send(event, null);
    }
    this.#repeats.clear();
    await this.status?.flush();
    await this.flush();
    this.#listeners.clear();
    await (await this.#unsubscribe)?.();
  }
}

function parseEvent(payload: Buffer): JobEvent | undefined {
  try {
    return jobEvent.safeParse(JSON.parse(payload.toString())).data;
  } catch {
    return undefined;
  }
}

const PROGRESS_INTERVAL_MS = 100;

interface Slot {
  published: number;
  pending: number | undefined;
  timer: NodeJS.Timeout;
}

/**
 * At most ten progress events a second for each job: the first at once, of the following the newest. What was published
 * never falls.
 */
export class ProgressThrottle {
  readonly #publish: (jobId: string, progress: number) => void;
  readonly #slots = new Map<string, Slot>();

  constructor(publish: (jobId: string, progress: number) => void) {
    this.#publish = publish;
  }

  report(jobId: string, progress: number): void {
    const slot = this.#slots.get(jobId);
    if (!slot) {
      this.#slots.set(jobId, { published: progress, pending: undefined, timer: this.#later(jobId) });
      this.#publish(jobId, progress);
    } else if (progress > slot.published) slot.pending = progress;
  }

  /** The job has another status now: no progress of the old one may follow. */
  drop(jobId: string): void {
    clearTimeout(this.#slots.get(jobId)?.timer);
    this.#slots.delete(jobId);
  }

  close(): void {
    for (const jobId of [...this.#slots.keys()]) this.drop(jobId);
  }

  #later(jobId: string): NodeJS.Timeout {
    return setTimeout(() => this.#next(jobId), PROGRESS_INTERVAL_MS).unref();
  }

  #next(jobId: string): void {
    const slot = this.#slots.get(jobId);
    if (slot?.pending === undefined) return void this.#slots.delete(jobId);
    this.#slots.set(jobId, { published: slot.pending, pending: undefined, timer: this.#later(jobId) });
    this.#publish(jobId, slot.pending);
  }
}
