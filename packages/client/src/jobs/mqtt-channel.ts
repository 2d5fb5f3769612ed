import type { JobEvent } from '@cl-server/contract';
import type { MqttConnection } from '../mqtt/connection.js';
import type { JobChannel, JobListener } from './channel.js';
import { type JobUpdate, updateOfEvent } from './state.js';

/** Events of jobs that nobody listens to yet; more than these are forgotten, the oldest first. */
const EARLY = 500;

/** Changes of all jobs from one topic; each listener hears of its own. */
export class MqttJobChannel implements JobChannel {
  readonly name = 'mqtt';
  readonly #connection: MqttConnection;
  readonly #topic: string;
  readonly #listeners = new Map<string, Set<JobListener>>();
  readonly #early = new Map<string, JobUpdate[]>();
  #holders = 0;
  #leave: Promise<() => void> | undefined;

  constructor(connection: MqttConnection, topic: string) {
    this.#connection = connection;
    this.#topic = topic;
    connection.onLost(() => {
      const all = [...this.#listeners.values()].flatMap((set) => [...set]);
      this.#listeners.clear();
      for (const listener of all) listener.lost();
    });
  }

  async prepare(): Promise<() => void> {
    await this.#connection.connect();
    this.#holders += 1;
    let held = true;
    const release = (): void => {
      if (!held) return;
      held = false;
      this.#holders -= 1;
      if (this.#holders > 0) return;
      this.#early.clear();
      void this.#leave?.then((leave) => leave()).catch(() => undefined);
      this.#leave = undefined;
    };
    try {
      this.#leave ??= this.#connection.subscribe(this.#topic, (_topic, payload) => this.#hear(payload));
      await this.#leave;
    } catch (error) {
      this.#leave = undefined;
      release();
      throw error;
    }
    return release;
  }

  async attach(jobId: string, listener: JobListener): Promise<() => void> {
    const release = await this.prepare();
    const listeners = this.#listeners.get(jobId) ?? new Set();
    this.#listeners.set(jobId, listeners.add(listener));
    for (const update of this.#early.get(jobId) ?? []) listener.update(update);
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0 && this.#listeners.get(jobId) === listeners) this.#listeners.delete(jobId);
      release();
    };
  }

  #hear(payload: string): void {
    let event: JobEvent;
    try {
      event = JSON.parse(payload) as JobEvent;
    } catch {
      // Somebody else's message on this topic: the state is read over HTTP anyway.
      return;
    }
    if (typeof event?.job_id !== 'string') return;
    const update = updateOfEvent(event);
    const listeners = this.#listeners.get(update.jobId);
    if (listeners) for (const listener of [...listeners]) listener.update(update);
    else this.#keep(update);
  }

  #keep(update: JobUpdate): void {
    this.#early.set(update.jobId, [...(this.#early.get(update.jobId) ?? []), update].slice(-20));
    for (const [oldest] of this.#early) {
      if (this.#early.size <= EARLY) break;
      this.#early.delete(oldest);
    }
  }
}
