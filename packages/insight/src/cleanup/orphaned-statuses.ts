/** Retained messages about the state of entities that no longer exist. Ids are never used again, so none returns. */

import { type AuditReport, TOPICS } from '@cl-server/contract';
import type { Broadcaster } from '@cl-server/service-kit';
import type { EntityFeed } from '../port.js';
import type { Orphans } from './orphans.js';

type OrphanedStatus = AuditReport['orphaned_mqtt'][number];

/** A broker sends its retained messages at once: after this many milliseconds without one, there are no more. */
const QUIET = 500;
/** Milliseconds for all messages together. */
const PATIENCE = 10_000;
const GROUP = 500;

export class OrphanedStatuses implements Orphans<OrphanedStatus> {
  /** @param storePort as it is in the topics */
  constructor(
    private readonly feed: Pick<EntityFeed, 'find'>,
    private readonly broadcaster: Broadcaster,
    private readonly storePort: () => number,
  ) {}

  async *find(): AsyncGenerator<OrphanedStatus> {
    if (!this.broadcaster.connected) return;
    const topics = await this.#retained(TOPICS.entityStatus(this.storePort(), '+'));
    for (let at = 0; at < topics.length; at += GROUP) {
      const slice = topics.slice(at, at + GROUP);
      const ids = slice.map(entityOf);
      const rows = await this.feed.find(ids);
      const known = new Set(rows.map((row) => row.id));
      for (const topic of slice) {
        const id = entityOf(topic);
        if (!known.has(id)) yield { entity_id: id, topic };
      }
    }
  }

  async remove({ entity_id, topic }: OrphanedStatus): Promise<boolean> {
    if ((await this.feed.find([entity_id])).length > 0) return false;
    return this.broadcaster.clearRetained(topic);
  }

  /** Topics below which a message is retained at this moment. */
  async #retained(filter: string): Promise<string[]> {
    const topics = new Set<string>();
    let heard = (): void => undefined;
    const isQuiet = new Promise<void>((resolve) => {
      const end = (): void => {
        clearTimeout(quiet);
        clearTimeout(patience);
        resolve();
      };
      const quiet = setTimeout(end, QUIET);
      const patience = setTimeout(end, PATIENCE);
      heard = () => quiet.refresh();
    });
    const stop = await this.broadcaster.subscribe(filter, (topic, payload, retained) => {
      if (!retained || payload.length === 0) return;
      topics.add(topic);
      heard();
    });
    heard();
    await isQuiet;
    await stop();
    return [...topics].filter((topic) => entityOf(topic) > 0);
  }
}

const entityOf = (topic: string): number => {
  const last = topic.slice(topic.lastIndexOf('/') + 1);
  return /^\d{1,15}$/.test(last) ? Number(last) : 0;
};
