import { isTerminal, type JobEvent, jobEvent } from '@cl-server/contract';
import type { Broadcaster, Logger } from '@cl-server/service-kit';
import type { JobEventListener, JobRecord } from '../types.js';
import type { CommitListener, Committed } from './committed.js';
import type { Outbox } from './outbox.js';
import { StatusTopic } from './status-topic.js';
import { ProgressThrottle } from './throttle.js';

/** Existing clients subscribe only after two round trips; they would never hear of the end of a job this short. */
const SHORT_JOB_MS = 1_000;
const REPEAT_MS = 500;

export interface PublisherOptions {
  readonly broadcaster: Broadcaster;
  readonly logger: Logger;
  readonly topic: string;
  /** Absent where there is no broker. */
  readonly outbox: Outbox | undefined;
  /** Whether `job/status/{id}` is published. */
  readonly shows: boolean;
  readonly read: (jobIds: readonly string[]) => Promise<ReadonlyMap<string, JobRecord>>;
  readonly now: () => number;
}

/** Publishes what this process committed, in the order of its commits. */
export class Publisher implements CommitListener {
  readonly status: StatusTopic | undefined;
  readonly #options: PublisherOptions;
  readonly #throttle: ProgressThrottle;
  readonly #listeners = new Set<JobEventListener>();
  readonly #inFlight = new Set<Promise<void>>();
  readonly #repeats = new Map<NodeJS.Timeout, JobEvent>();
  #unsubscribe: Promise<() => Promise<void>> | undefined;

  constructor(options: PublisherOptions) {
    this.#options = options;
    this.status = options.shows ? new StatusTopic(options) : undefined;
    this.#throttle = new ProgressThrottle((job_id, progress) => {
      this.send({ job_id, event_type: 'processing', timestamp: options.now(), progress }, null);
      this.status?.show(job_id, false);
    });
  }

  committed(changes: readonly Committed[]): void {
    for (const change of changes) this.#announce(change);
  }

  #announce({ job_id, event, progress, at, createdAt, outboxSeq, isProgress }: Committed): void {
    if (isProgress) {
      this.#throttle.report(job_id, progress);
      return;
    }
    this.#throttle.forget(job_id);
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

  /** To the broker and to this process' listeners; settles the outbox entry when the broker has it. */
  send(event: JobEvent, outboxSeq: number | null): void {
    this.#hear(event);
    const { broadcaster, topic, outbox } = this.#options;
    if (!outbox) return;
    this.#track(
      broadcaster.publish(topic, event, { qos: 1 }).then((delivered) => {
        if (delivered && outboxSeq !== null) outbox.settle(outboxSeq);
      }),
    );
  }

  #clear(jobId: string, outboxSeq: number | null): void {
    const { status } = this;
    if (!status) return;
    this.#track(
      status.clear(jobId).then((cleared) => {
        if (cleared && outboxSeq !== null) this.#options.outbox?.settle(outboxSeq);
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

  #hear(event: JobEvent): void {
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
        if (event) this.#hear(event);
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
