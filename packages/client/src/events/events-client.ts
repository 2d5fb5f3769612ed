import type { EntityEvent, EntityStatusEvent, ItemEvent, JobEvent } from '@cl-server/contract';
import { ClError } from '../errors.js';
import { Mailbox } from '../jobs/mailbox.js';
import type { MqttConnection } from '../mqtt/connection.js';
import type { TopicsOfStore } from '../store/topics.js';
import { messageReader } from './messages.js';

/**
 * The events of the platform, by their kind.
 *
 * | kind | occurs when | who may receive it |
 * |---|---|---|
 * | `entity` | an entity was created, changed, moved to the trash, restored or removed | users who may read |
 * | `item` | a media entity was created, or its file was replaced | users who may read |
 * | `insight` | the state of an entity's insights changed | users who may read |
 * | `job` | a job changed its state or its progress | everyone |
 */
export interface Events {
  readonly entity: EntityEvent;
  readonly item: ItemEvent;
  readonly insight: EntityStatusEvent;
  readonly job: JobEvent;
}

export interface EventOptions {
  /** Ends the subscription. */
  readonly signal?: AbortSignal | undefined;
  /** Called when the connection was lost, so that events may be missed: read the state over HTTP again. */
  readonly onGap?: (() => void) | undefined;
}

/** Milliseconds after which an iterator looks whether it has been aborted. */
const IDLE = 60_000;

/** Live events over MQTT. They are hints that something changed; the state is read over HTTP. */
export class EventsClient {
  readonly #mqtt: MqttConnection | undefined;
  readonly #store: TopicsOfStore;
  readonly #jobEvents: string;

  /** @internal */
  constructor(options: { mqtt: MqttConnection | undefined; store: TopicsOfStore; jobEvents: string }) {
    this.#mqtt = options.mqtt;
    this.#store = options.store;
    this.#jobEvents = options.jobEvents;
  }

  /**
   * Calls the listener with each event of a kind. Messages that do not have the form of the kind are ignored.
   * @returns a function that ends the subscription
   * @throws ClError with the code `no_mqtt` without a broker; NetworkError if the broker does not answer or refuses
   * @example
   * ```ts
   * const stop = await cl.events.on('entity', ({ id, change }) => console.log(id, change));
   * ```
   */
  async on<Kind extends keyof Events>(
    kind: Kind,
    listener: (event: Events[Kind]) => void,
    { signal, onGap }: EventOptions = {},
  ): Promise<() => void> {
    const mqtt = this.#mqtt;
    if (!mqtt) throw new ClError('Events need MQTT, and none is configured', 'no_mqtt');
    signal?.throwIfAborted();
    const [read, topic] = await Promise.all([messageReader(kind), this.#topicOf(kind)]);
    const leave = await mqtt.subscribe(topic, (_topic, payload) => {
      const event = payload === '' ? undefined : read(payload);
      if (event) listener(event);
    });
    const forget = onGap && mqtt.onLost(onGap);
    const stop = (): void => {
      signal?.removeEventListener('abort', stop);
      forget?.();
      leave();
    };
    if (signal?.aborted) stop();
    else signal?.addEventListener('abort', stop, { once: true });
    return stop;
  }

  /**
   * The events of a kind as an asynchronous iterator. Leaving the loop ends the subscription.
   * @throws the reason of the signal, and the errors of `on`
   * @example
   * ```ts
   * for await (const { job_id, event_type, progress } of cl.events.stream('job')) {
   *   console.log(job_id, event_type, progress);
   *   if (event_type === 'completed') break;
   * }
   * ```
   */
  async *stream<Kind extends keyof Events>(
    kind: Kind,
    options: EventOptions = {},
  ): AsyncGenerator<Events[Kind], void, undefined> {
    const box = new Mailbox<Events[Kind]>();
    const stop = await this.on(kind, (event) => box.put(event), options);
    try {
      for (;;) {
        const event = await box.take(IDLE, options.signal);
        if (event) yield event;
      }
    } finally {
      stop();
    }
  }

  async #topicOf(kind: keyof Events): Promise<string> {
    if (kind === 'job') return this.#jobEvents;
    const { entities, items, insights } = await this.#store.get();
    return { entity: entities, item: items, insight: `${insights}/+` }[kind];
  }
}
