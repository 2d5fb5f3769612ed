import type { Capabilities, getCapabilities, listWorkers, WorkerCapability } from '@cl-server/contract';
import { TOPICS } from '@cl-server/contract/constants';
import { ClError, WorkerUnavailableError } from '../errors.js';
import { messageReader } from '../events/messages.js';
import { pause } from '../http/deadline.js';
import type { CallOptions, HttpClient } from '../http/http-client.js';
import type { MqttConnection } from '../mqtt/connection.js';

export interface WaitForWorkersOptions {
  /** Milliseconds to wait. Default 30,000. */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

const LOOK = 1_000;

/** The workers, and what they can run. */
export class WorkersClient {
  readonly #http: HttpClient;
  readonly #mqtt: MqttConnection | undefined;
  readonly #prefix: string;

  constructor(http: HttpClient, mqtt: MqttConnection | undefined, prefix: string = TOPICS.workers) {
    this.#http = http;
    this.#mqtt = mqtt;
    this.#prefix = prefix;
  }

  /**
   * How many workers live, and how many jobs of each task could start at once.
   *
   * @example
   * ```ts
   * const { num_workers } = await compute.workers.capabilities();
   * ```
   */
  capabilities(options?: CallOptions): Promise<Capabilities> {
    return this.#http.call<typeof getCapabilities>({ method: 'GET', path: '/capabilities' }, options);
  }

  /**
   * Each live worker.
   *
   * @example
   * ```ts
   * for (const { worker_id, idle_count } of await compute.workers.list()) console.log(worker_id, idle_count);
   * ```
   */
  async list(options?: CallOptions): Promise<WorkerCapability[]> {
    return (await this.#http.call<typeof listWorkers>({ method: 'GET', path: '/workers' }, options)).items;
  }

  /**
   * Waits until for each task some worker is free.
   * @throws WorkerUnavailableError naming the first task for which none was in time
   * @example
   * ```ts
   * await compute.workers.waitFor(['hash', 'exif'], { timeoutMs: 10_000 });
   * ```
   */
  async waitFor(tasks: readonly string[], { timeoutMs = 30_000, signal }: WaitForWorkersOptions = {}): Promise<void> {
    const end = performance.now() + timeoutMs;
    for (;;) {
      const { capabilities } = await this.capabilities({ signal });
      const missing = tasks.find((task) => (capabilities[task] ?? 0) <= 0);
      if (missing === undefined) return;
      if (performance.now() + LOOK > end) throw new WorkerUnavailableError(missing, capabilities);
      await pause(LOOK, signal);
    }
  }

  /**
   * Calls the listener for each live worker now, and whenever a worker comes, changes or goes. Needs MQTT.
   * @param listener its second argument is undefined if the worker is gone
   * @returns a function that ends the subscription
   * @example
   * ```ts
   * const stop = await compute.workers.watch((id, worker) => console.log(id, worker?.idle_count ?? 'gone'));
   * ```
   */
  async watch(listener: (workerId: string, worker: WorkerCapability | undefined) => void): Promise<() => void> {
    if (!this.#mqtt) throw new ClError('Watching workers needs MQTT, and none is configured', 'no_mqtt');
    const read = await messageReader('worker');
    return this.#mqtt.subscribe(`${this.#prefix}/+`, (topic, payload) => {
      const id = topic.slice(this.#prefix.length + 1);
      if (payload === '') return listener(id, undefined);
      const worker = read(payload);
      if (worker) listener(id, worker);
    });
  }
}
