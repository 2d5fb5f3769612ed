/** Publishes the state of entities (retained until a minute after their end) and of the insight worker. */

import { entityStatusEvent, type InsightStatus, TOPICS } from '@cl-server/contract';
import type { Broadcaster } from '@cl-server/service-kit';
import { statusEvent } from '../api/status-view.js';
import type { InsightDatabase } from '../port.js';
import type { InsightRegistry } from '../registry.js';

/** The message that the broker publishes for a worker that was killed. */
export function offlineMessage(storePort: number, now: number) {
  const status: InsightStatus = {
    status: 'offline',
    timestamp: now,
    version_start: null,
    version_end: null,
    processed_count: null,
  };
  return { topic: TOPICS.insightStatus(storePort), payload: JSON.stringify(status), retain: true };
}

/** How long the broker retains the status of an entity after its end. */
const RETENTION_MS = 60_000;

export interface StatusPublisherOptions {
  readonly db: InsightDatabase;
  readonly insights: InsightRegistry;
  readonly broadcaster: Broadcaster;
  readonly storePort: number;
  readonly now: () => number;
}

export class StatusPublisher {
  readonly #options: StatusPublisherOptions;
  /** The time at which the retained status of an entity is cleared. */
  readonly #clearAt = new Map<number, number>();

  constructor(options: StatusPublisherOptions) {
    this.#options = options;
  }

  /**
   * Subscribes to the retained states, those of this worker and of workers before it, so that each one is cleared in time
   * no matter which worker published it.
   */
  async start(): Promise<void> {
    const { broadcaster, storePort, now } = this.#options;
    await broadcaster.subscribe(TOPICS.entityStatus(storePort, '+'), (_topic, payload) => {
      const event = parseStatus(payload);
      if (!event) return;
      if (event.status === 'completed' || event.status === 'failed')
        this.#clearAt.set(event.entity_id, now() + RETENTION_MS);
      else this.#clearAt.delete(event.entity_id);
    });
  }

  async entities(ids: Iterable<number>): Promise<void> {
    const { db, insights: registry, broadcaster, storePort, now } = this.#options;
    const unique = [...new Set(ids)];
    if (unique.length === 0) return;
    const insights = await db.selectFrom('insights').selectAll().where('entity_id', 'in', unique).execute();
    const rows = await db.selectFrom('inferences').selectAll().where('entity_id', 'in', unique).execute();
    for (const insight of insights) {
      const own = rows.filter(({ entity_id }) => entity_id === insight.entity_id);
      const topic = TOPICS.entityStatus(storePort, insight.entity_id);
      await broadcaster.publish(topic, statusEvent(insight, own, { insights: registry, now: now() }), { retain: true });
    }
  }

  /** Clears the states whose retention has ended. */
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

/** @returns undefined for a cleared topic, and for a message that is not a status */
function parseStatus(payload: Buffer) {
  if (payload.length === 0) return undefined;
  try {
    const parsed = entityStatusEvent.safeParse(JSON.parse(payload.toString('utf8')));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}
