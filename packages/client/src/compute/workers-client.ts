import type { Capabilities, getCapabilities, listWorkers, WorkerCapability } from '@cl-server/contract';
import { TOPICS } from '@cl-server/contract/constants';
import { ClError, WorkerUnavailableError } from '../errors.js';
import { pause } from '../http/deadline.js';
import type { CallOptions, HttpClient } from '../http/http-client.js';
import type { MqttConnection } from '../mqtt/connection.js';

export interface WaitForWorkersOptions extends CallOptions {
  /** Milliseconds; default 30,000. */
  readonly timeout?: number;
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
   * await compute.workers.waitFor(['hash', 'exif'], { timeout: 10_000 });
   * ```
   */
  async waitFor(tasks: readonly string[], { timeout = 30_000, ...options }: WaitForWorkersOptions = {}): Promise<void> {
    const end = performance.now() + timeout;
    for (;;) {
      const { capabilities } = await this.capabilities(options);
      const missing = tasks.find((task) => (capabilities[task] ?? 0) <= 0);
      if (missing === undefined) return;
      if (performance.now() + LOOK > end) throw new WorkerUnavailableError(missing, capabilities);
      await pause(LOOK, options.signal);
    }
  }

  /**
   * Hears of workers as they come, change and go, the present ones first. Needs MQTT.
   * @param listener undefined instead of a worker's state means that it is gone
   * @returns how to stop
   * @example
   * ```ts
   * const stop = await compute.workers.watch((id, worker) => console.log(id, worker?.idle_count ?? 'gone'));
   * ```
   */
  watch(listener: (workerId: string, worker: WorkerCapability | undefined) => void): Promise<() => void> {
    if (!this.#mqtt) throw new ClError('Watching workers needs MQTT, and none is configured', 'no_mqtt');
    return this.#mqtt.subscribe(`${this.#prefix}/+`, (topic, payload) => {
      const id = topic.slice(this.#prefix.length + 1);
      listener(id, payload === '' ? undefined : (JSON.parse(payload) as WorkerCapability));
    });
  }
}
