/**
 * Tells the world what this worker can do, retained at the broker: when it changes, at every beat, after each reconnect;
 * cleared when the worker stops, and by the broker itself (last will) when it dies.
 */
import { TOPICS, type WorkerCapability } from '@cl-server/contract';
import type { Broadcaster } from '@cl-server/service-kit';
import type { Availability } from './availability.js';
import type { Slots } from './slots.js';

/** Slots change with every job; nobody needs to hear of each. */
const SETTLE = 500;

export interface AnnouncerOptions {
  readonly broadcaster: Broadcaster;
  readonly topicPrefix: string;
  readonly workerId: string;
  readonly availability: Availability;
  readonly slots: Slots;
  readonly heartbeatMs: number;
  readonly now: () => number;
}

export class Announcer {
  readonly #options: AnnouncerOptions;
  readonly #topic: string;
  readonly #beat: NodeJS.Timeout;
  readonly #stopListening: () => void;
  #settling: NodeJS.Timeout | undefined;
  #told = '';
  #closed = false;

  constructor(options: AnnouncerOptions) {
    this.#options = options;
    this.#topic = TOPICS.worker(options.topicPrefix, options.workerId);
    this.#beat = setInterval(() => void this.#publish(), options.heartbeatMs);
    this.#stopListening = options.broadcaster.onConnect(() => void this.#publish());
  }

  /** Something may have changed: told in a moment, if it still differs then. */
  changed(): void {
    this.#settling ??= setTimeout(() => {
      this.#settling = undefined;
      if (this.#content() !== this.#told) void this.#publish();
    }, SETTLE);
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#beat);
    clearTimeout(this.#settling);
    this.#stopListening();
    await this.#options.broadcaster.clearRetained(this.#topic);
  }

  #content(): string {
    const { availability, slots } = this.#options;
    const out = [...availability.unavailable];
    return JSON.stringify({
      capabilities: [...availability.ready],
      idle_count: slots.free,
      ...(out.length > 0 && {
        unavailable: Object.fromEntries(out.map(([task, { reason }]) => [task, reason])),
        unavailable_codes: Object.fromEntries(out.map(([task, { code }]) => [task, code])),
      }),
    } satisfies Omit<WorkerCapability, 'worker_id' | 'id' | 'timestamp'>);
  }

  async #publish(): Promise<void> {
    if (this.#closed) return;
    const { broadcaster, workerId, now } = this.#options;
    const content = this.#content();
    this.#told = content;
    const message: WorkerCapability = {
      worker_id: workerId,
      id: workerId,
      ...(JSON.parse(content) as Omit<WorkerCapability, 'worker_id' | 'id' | 'timestamp'>),
      timestamp: now(),
    };
    await broadcaster.publish(this.#topic, message, { retain: true });
  }
}
