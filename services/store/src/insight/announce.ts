/** Tells how far the work is: per entity (retained until a minute after its end) and as a whole. */
import { type InsightStatus, TOPICS } from '@cl-server/contract';
import type { Broadcaster } from '@cl-server/runtime';
import type { Kysely } from 'kysely';
import type { StoreTables } from '../database/tables.js';
import { statusEvent } from './view.js';

/** Milliseconds for which an ended entity's status stays with the broker. */
const KEPT = 60_000;

export interface AnnounceOptions {
  readonly db: Kysely<StoreTables>;
  readonly broadcaster: Broadcaster;
  readonly storePort: number;
  readonly now: () => number;
}

export class Announcer {
  readonly #options: AnnounceOptions;
  /** When an entity's retained status is to go. */
  readonly #clearAt = new Map<number, number>();

  constructor(options: AnnounceOptions) {
    this.#options = options;
  }

  async entities(ids: Iterable<number>): Promise<void> {
    const { db, broadcaster, storePort, now } = this.#options;
    const unique = [...new Set(ids)];
    if (unique.length === 0) return;
    const insights = await db.selectFrom('insights').selectAll().where('entity_id', 'in', unique).execute();
    const rows = await db.selectFrom('inferences').selectAll().where('entity_id', 'in', unique).execute();
    for (const insight of insights) {
      const own = rows.filter(({ entity_id }) => entity_id === insight.entity_id);
      const topic = TOPICS.entityStatus(storePort, insight.entity_id);
      await broadcaster.publish(topic, statusEvent(insight, own, now()), { retain: true });
      const ended = insight.status === 'completed' || insight.status === 'failed';
      if (ended) this.#clearAt.set(insight.entity_id, now() + KEPT);
      else this.#clearAt.delete(insight.entity_id);
    }
  }

  /** Takes back what has been there long enough. */
  async clearOld(): Promise<void> {
    const { broadcaster, storePort, now } = this.#options;
    for (const [id, at] of this.#clearAt) {
      if (at > now()) continue;
      if (await broadcaster.clearRetained(TOPICS.entityStatus(storePort, id))) this.#clearAt.delete(id);
    }
  }

  async status(status: InsightStatus): Promise<void> {
    const { broadcaster, storePort } = this.#options;
    await broadcaster.publish(TOPICS.insightStatus(storePort), status, { retain: true });
  }
}
