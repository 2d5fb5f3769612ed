/** Publishes changes after their commit. */
import { type EntityEvent, type ItemEvent, type StoreTopics, TOPICS } from '@cl-server/contract';
import type { Broadcaster } from '@cl-server/service-kit';
import type { EntityRow } from './database/tables.js';

export type EntityChange = EntityEvent['change'];

export class StoreEvents {
  #port = 0;

  /** @param now milliseconds */
  constructor(
    private readonly broadcaster: Broadcaster,
    private readonly now: () => number,
  ) {}

  /** Sets the port, which is part of the topics and is known only when the service listens. */
  listensOn(port: number): void {
    this.#port = port;
  }

  get port(): number {
    return this.#port;
  }

  get topics(): StoreTopics {
    return {
      items: TOPICS.storeItems(this.#port),
      entities: TOPICS.storeEntities(this.#port),
      insights: TOPICS.entityStatuses(this.#port),
    };
  }

  changed(row: Pick<EntityRow, 'id' | 'parent_id' | 'version'>, change: EntityChange): void {
    this.#publish({ id: row.id, change, parent_id: row.parent_id, version: row.version, timestamp: this.now() });
  }

  /** Announces a new media entity or a replaced file, which wakes the insight worker. */
  newContent({ id, md5 }: Pick<EntityRow, 'id' | 'md5'>): void {
    const item: ItemEvent = { id, md5: md5 ?? '', timestamp: this.now() };
    void this.broadcaster.publish(TOPICS.storeItems(this.#port), item);
    // The retained status describes the earlier content.
    void this.broadcaster.clearRetained(TOPICS.entityStatus(this.#port, id));
  }

  removed(id: number): void {
    this.#publish({ id, change: 'removed', parent_id: null, version: null, timestamp: this.now() });
    void this.broadcaster.clearRetained(TOPICS.entityStatus(this.#port, id));
  }

  #publish(event: EntityEvent): void {
    void this.broadcaster.publish(TOPICS.storeEntities(this.#port), event, { qos: 0 });
  }
}
