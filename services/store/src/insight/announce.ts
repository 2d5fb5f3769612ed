/** Tells how far the work is: per entity (retained until a minute after its end) and as a whole. */
import { entityStatusEvent, type InsightStatus, TOPICS } from '@cl-server/contract';
import type { Broadcaster } from '@cl-server/service-kit';
import type { Kysely } from 'kysely';
import type { StoreTables } from '../database/tables.js';
import { statusEvent } from './view.js';

/** What the broker says for a worker that was killed. */
export function lastWords(storePort: number, now: number) {
  const status: InsightStatus = {
    status: 'offline',
    timestamp: now,
    version_start: null,
    version_end: null,
    processed_count: null,
  };
  return { topic: TOPICS.insightStatus(storePort), payload: JSON.stringify(status), retain: true };
}

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

  /**
   * Listens to what is retained, its own words and those of a worker before it: whoever said that an entity has ended,
   * it is taken back in time.
   */
  async start(): Promise<void> {
    const { broadcaster, storePort, now } = this.#options;
    await broadcaster.subscribe(TOPICS.entityStatus(storePort, '+'), (_topic, payload) => {
      const said = parseStatus(payload);
      if (!said) return;
      if (said.status === 'completed' || said.status === 'failed') this.#clearAt.set(said.entity_id, now() + KEPT);
      else this.#clearAt.delete(said.entity_id);
    });
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

/** Undefined for a cleared topic, and for what is nobody's status. */
function parseStatus(payload: Buffer) {
  if (payload.length === 0) return undefined;
  try {
    const parsed = entityStatusEvent.safeParse(JSON.parse(payload.toString('utf8')));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}
