/**
 * Which of this worker's tasks can run now, and why the others cannot: learned from the runners (`Availability`), announced
 * to services and clients (`Announcer`), tried again (`Recheck`), and logged (`logMissingModels`).
 */
import fs from 'node:fs/promises';
import { TOPICS } from '@cl-server/contract';
import { STARTING, type WorkerAbilities, type WorkerRegister, workerMessage } from '@cl-server/jobs';
import type { Broadcaster, Logger } from '@cl-server/service-kit';
import type { TaskState } from '../runners/runner.js';
import type { Slots } from './slots.js';

export type Unavailable = Extract<TaskState, { state: 'unavailable' }>;

export class Availability {
  readonly #states: Map<string, TaskState>;
  readonly #listeners = new Set<() => void>();

  constructor(tasks: readonly string[]) {
    this.#states = new Map(tasks.map((task) => [task, { state: 'starting' }]));
  }

  /** @returns whether that is new */
  set(task: string, state: TaskState): boolean {
    const before = this.#states.get(task);
    if (!before || JSON.stringify(before) === JSON.stringify(state)) return false;
    this.#states.set(task, state);
    for (const listener of [...this.#listeners]) listener();
    return true;
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Tasks that can run, sorted. */
  get ready(): readonly string[] {
    return [...this.#states].flatMap(([task, { state }]) => (state === 'ready' ? task : [])).sort();
  }

  get starting(): readonly string[] {
    return [...this.#states].flatMap(([task, { state }]) => (state === 'starting' ? task : []));
  }

  isReady(task: string): boolean {
    return this.#states.get(task)?.state === 'ready';
  }

  get unavailable(): ReadonlyMap<string, Unavailable> {
    const entries = [...this.#states].filter(
      (entry): entry is [string, Unavailable] => entry[1].state === 'unavailable',
    );
    return new Map(entries);
  }

  /** Resolves when every task is ready or known not to be, at the latest after `within` milliseconds. */
  decided(within: number): Promise<void> {
    const isDecided = (): boolean => [...this.#states.values()].every(({ state }) => state !== 'starting');
    if (isDecided()) return Promise.resolve();
    return new Promise((resolve) => {
      const finish = (): void => {
        clearTimeout(timer);
        stop();
        resolve();
      };
      const timer = setTimeout(finish, within);
      const stop = this.onChange(() => {
        if (isDecided()) finish();
      });
    });
  }
}

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

/**
 * Announces what this worker can run: in the register of workers, which is what services believe, and then retained at
 * the broker, which makes them look and which existing clients read. It does so at every change and beat, and after each
 * reconnect. It withdraws both when the worker stops; when the worker dies, the broker withdraws its message (last will)
 * and the register forgets a row that no beat renews.
 */
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
    this.#writing ??= this.#writeWhileDue();
  }

  async #writeWhileDue(): Promise<void> {
    try {
      while (this.#isDue && !this.#closed) {
        this.#isDue = false;
        const abilities = this.#abilities();
        this.#announced = JSON.stringify(abilities);
        await this.#write(abilities);
        await this.#publish(abilities);
      }
    } finally {
      this.#writing = undefined; // at once: a change between the last check and this would not be announced
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
      logger.warn({ err: error }, 'could not write to the register of workers; trying again at the next heartbeat');
    }
  }

  async #publish({ capabilities, unavailable, idle_count }: WorkerAbilities): Promise<void> {
    if (idle_count === null || this.#closed) return;
    const { broadcaster, workerId, now } = this.#options;
    const message = workerMessage({ worker_id: workerId, capabilities, unavailable, idle_count, seen_at: now() });
    await broadcaster.publish(this.#topic, message, { retain: true });
  }
}

export interface RecheckOptions {
  readonly availability: Availability;
  /** @param changed whether something changed, so that it may succeed now */
  readonly retry: (task: string, changed: boolean) => void;
  readonly modelsDir: string;
  /** Milliseconds between two tries if nothing changed. */
  readonly everyMs: number;
}

const POLL_MS = 1_000;

/**
 * Tries the set-ups of unavailable tasks again: now and then, and at once if something changed in the models folder, for
 * example because `models use` wrote its choice there.
 */
export class Recheck {
  readonly #options: RecheckOptions;
  readonly #timer: NodeJS.Timeout;
  #triedAt = performance.now();
  #seen: number | undefined;

  constructor(options: RecheckOptions) {
    this.#options = options;
    this.#timer = setInterval(() => void this.#poll(), Math.min(POLL_MS, options.everyMs));
  }

  close(): void {
    clearInterval(this.#timer);
  }

  async #poll(): Promise<void> {
    const { availability, modelsDir, retry, everyMs } = this.#options;
    const before = this.#seen;
    this.#seen = await fs.stat(modelsDir).then(
      ({ mtimeMs }) => mtimeMs,
      () => 0, // it does not exist yet
    );
    const hasChanged = before !== undefined && before !== this.#seen;
    if (!hasChanged && performance.now() - this.#triedAt < everyMs) return;
    this.#triedAt = performance.now();
    for (const task of availability.unavailable.keys()) retry(task, hasChanged);
  }
}

/**
 * Logs in one line which tasks wait for their models, now and again when more are found. The reasons are in `GET /tasks`.
 * @returns a function that ends it
 */
export function logMissingModels(availability: Availability, logger: Logger): () => void {
  let logged: readonly string[] = [];
  const look = (): void => {
    const missing = [...availability.unavailable].flatMap(([task, { code }]) => (code === 'model_missing' ? task : []));
    if (missing.some((task) => !logged.includes(task)))
      logger.warn({ tasks: missing.sort() }, 'models are missing; "cl-server models pull" downloads them');
    logged = missing;
  };
  look();
  return availability.onChange(look);
}
