/**
 * Which workers live and what they can run, from their retained announcements. A worker that was not heard of for three
 * beats is gone, whether or not the broker said so.
 */
import { type Capabilities, isLack, type Lack, type WorkerCapability, workerCapability } from '@cl-server/contract';
import type { Broadcaster, Logger } from '@cl-server/service-kit';
import type { Availability } from './task-route.js';

export interface LiveWorkersOptions {
  readonly broadcaster: Broadcaster;
  /** Prefix of the announcements' topics. */
  readonly prefix: string;
  /** Milliseconds without a beat after which a worker counts as gone. */
  readonly maxAge: number;
  readonly logger: Logger;
  /** Milliseconds. */
  readonly now?: () => number;
}

export interface Refusal {
  readonly code: Lack;
  readonly reason: string;
}

interface Heard {
  readonly worker: WorkerCapability;
  readonly at: number;
}

export class LiveWorkers {
  readonly #options: LiveWorkersOptions;
  readonly #now: () => number;
  readonly #heard = new Map<string, Heard>();
  readonly #listeners = new Set<() => void>();
  #unsubscribe: (() => Promise<void>) | undefined;

  constructor(options: LiveWorkersOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
  }

  async start(): Promise<this> {
    const { broadcaster, prefix } = this.#options;
    this.#unsubscribe = await broadcaster.subscribe(`${prefix}/+`, (topic, payload, retained) =>
      this.#hear(topic.slice(prefix.length + 1), payload, retained),
    );
    return this;
  }

  /** Called after each announcement. @returns a function that stops it */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #hear(workerId: string, payload: Buffer, retained: boolean): void {
    const { logger, maxAge } = this.#options;
    const text = payload.toString();
    if (text.trim() === '') {
      this.#heard.delete(workerId);
    } else {
      const worker = parse(workerId, text);
      if (!worker) {
        logger.warn({ worker_id: workerId }, 'announcement of a worker cannot be read; ignored');
        return;
      }
      // What the broker kept may be old: then the worker's own time counts.
      const at = retained ? Math.min(this.#now(), worker.timestamp) : this.#now();
      if (this.#now() - at >= maxAge) return;
      this.#heard.set(workerId, { worker, at });
    }
    for (const listener of this.#listeners) listener();
  }

  #forgetSilent(): void {
    for (const [id, { at }] of this.#heard) if (this.#now() - at >= this.#options.maxAge) this.#heard.delete(id);
  }

  list(): readonly WorkerCapability[] {
    this.#forgetSilent();
    return [...this.#heard.values()]
      .map(({ worker }) => worker)
      .sort((a, b) => (a.worker_id < b.worker_id ? -1 : Number(a.worker_id > b.worker_id)));
  }

  /** Idle places summed over the workers of each task; a busy worker adds 0 and keeps the task in the list. */
  capabilities(): Capabilities {
    const workers = this.list();
    const sums: Record<string, number> = {};
    for (const { capabilities, idle_count } of workers)
      for (const task of capabilities) sums[task] = (sums[task] ?? 0) + idle_count;
    return { num_workers: workers.length, capabilities: sums };
  }

  /** Tasks that every live worker knows and none can run, for a reason that only a person can mend. */
  refusedByAll(): ReadonlyMap<string, Refusal> {
    const workers = this.list();
    const refused = new Map<string, Refusal>();
    for (const task of Object.keys(workers[0]?.unavailable ?? {})) {
      const reason = workers[0]?.unavailable?.[task];
      const codes = workers.map((worker) =>
        worker.capabilities.includes(task) ? undefined : worker.unavailable_codes?.[task],
      );
      const code = codes.find((other) => other === 'model_missing') ?? codes[0];
      if (reason !== undefined && isLack(code) && codes.every(isLack)) refused.set(task, { code, reason });
    }
    return refused;
  }

  availability(task: string): Availability {
    if (!this.#options.broadcaster.connected) return { available: null, reason: null };
    const workers = this.list();
    if (workers.some(({ capabilities }) => capabilities.includes(task))) return { available: true, reason: null };
    const reason = workers.map(({ unavailable }) => unavailable?.[task]).find((text) => text !== undefined);
    return {
      available: false,
      reason: reason ?? (workers.length === 0 ? 'no worker is running' : 'no running worker takes this task'),
    };
  }

  async close(): Promise<void> {
    this.#listeners.clear();
    await this.#unsubscribe?.();
  }
}

/** Older workers send `id` or `worker_id` alone; the topic says which worker it is in any case. */
function parse(workerId: string, text: string): WorkerCapability | undefined {
  try {
    const given = JSON.parse(text) as Record<string, unknown>;
    return workerCapability.parse({ ...given, worker_id: workerId, id: workerId });
  } catch {
    return undefined;
  }
}
