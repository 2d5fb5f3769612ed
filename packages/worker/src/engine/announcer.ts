/**
 * Announces what this worker can run: in the register of workers, which is what services believe, and then retained at
 * the broker, which makes them look and which existing clients read. It does so at every change and beat, and after each
 * reconnect. It withdraws both when the worker stops; when the worker dies, the broker withdraws its message (last will)
 * and the register forgets a row that no beat renews.
 */
import { TOPICS } from '@cl-server/contract';
import { STARTING, type WorkerAbilities, type WorkerRegister, workerMessage } from '@cl-server/jobs';
import type { Broadcaster, Logger } from '@cl-server/service-kit';
import type { Availability } from './availability.js';
import type { Slots } from './slots.js';

/** Slots change with every job; changes within this time are announced together. */
const DEBOUNCE_MS = 500;

export interface AnnouncerOptions {
  readonly register: Pick<WorkerRegister, 'announce' | 'withdraw'>;
  readonly broadcaster: Broadcaster;
  readonly topicPrefix: string;
  readonly workerId: string;
  readonly availability: Availability;
  readonly slots: Slots;
  readonly heartbeatMs: number;
  readonly logger: Logger;
  readonly now: () => number;
}

export class Announcer {
  readonly #options: AnnouncerOptions;
  readonly #topic: string;
  readonly #heartbeat: NodeJS.Timeout;
  readonly #stopListening: (() => void)[];
  #debounce: NodeJS.Timeout | undefined;
  #announced = '';
  #hasStarted = false;
  #closed = false;
  #isDue = false;
  #writing: Promise<void> | undefined;

  /** Writes the first row, which tells that the worker is starting. */
  constructor(options: AnnouncerOptions) {
    this.#options = options;
    this.#topic = TOPICS.worker(options.topicPrefix, options.workerId);
    this.#heartbeat = setInterval(() => this.#announce(), options.heartbeatMs);
    this.#stopListening = [
      options.broadcaster.onConnect(() => this.#announce()),
      options.availability.onChange(() => this.#changed()),
      options.slots.onChange(() => this.#changed()),
    ];
    this.#announce();
  }

  /** The worker's tasks are set up as far as that can be waited for: from now on clients see it. */
  started(): void {
    this.#hasStarted = true;
    this.#announce();
  }

  async close(): Promise<void> {
    const { broadcaster, register, workerId, logger } = this.#options;
    this.#closed = true;
    clearInterval(this.#heartbeat);
    clearTimeout(this.#debounce);
    for (const stop of this.#stopListening) stop();
    await this.#writing;
    await register
      .withdraw(workerId)
      .catch((error: unknown) => logger.warn({ err: error }, 'could not remove this worker from the register'));
    await broadcaster.clearRetained(this.#topic);
  }

  /** Something may have changed: it is announced in a moment, if it still differs then. */
  #changed(): void {
    this.#debounce ??= setTimeout(() => {
      this.#debounce = undefined;
      if (JSON.stringify(this.#abilities()) !== this.#announced) this.#announce();
    }, DEBOUNCE_MS);
  }

  #announce(): void {
    this.#isDue = true;
    this.#writing ??= this.#writeWhileDue().finally(() => {
      this.#writing = undefined;
    });
  }

  async #writeWhileDue(): Promise<void> {
    while (this.#isDue && !this.#closed) {
      this.#isDue = false;
      const abilities = this.#abilities();
      this.#announced = JSON.stringify(abilities);
      await this.#write(abilities);
      await this.#publish(abilities);
    }
  }

  #abilities(): WorkerAbilities {
    const { availability, slots } = this.#options;
    const unavailable: Record<string, { code: string; reason: string }> = {};
    for (const task of availability.starting)
      unavailable[task] = { code: STARTING, reason: 'the task is being set up' };
    for (const [task, { code, reason }] of availability.unavailable) unavailable[task] = { code, reason };
    return { capabilities: availability.ready, unavailable, idle_count: this.#hasStarted ? slots.free : null };
  }

  async #write(abilities: WorkerAbilities): Promise<void> {
    const { register, workerId, logger } = this.#options;
    try {
      await register.announce(workerId, abilities);
    } catch (error) {
      logger.warn({ err: error }, 'could not write to the register of workers; trying again at the next beat');
    }
  }

  async #publish({ capabilities, unavailable, idle_count }: WorkerAbilities): Promise<void> {
    if (idle_count === null || this.#closed) return;
    const { broadcaster, workerId, now } = this.#options;
    const message = workerMessage({ worker_id: workerId, capabilities, unavailable, idle_count, seen_at: now() });
    await broadcaster.publish(this.#topic, message, { retain: true });
  }
}
