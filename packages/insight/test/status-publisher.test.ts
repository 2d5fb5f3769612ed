/** The states of entities that the broker retains, and for how long. */
import { TOPICS } from '@cl-server/contract';
import type { Broadcaster } from '@cl-server/service-kit';
import { describe, expect, it } from 'vitest';
import { builtInInsights } from '../src/built-in/index.js';
import { InsightRegistry } from '../src/registry.js';
import { StatusPublisher } from '../src/worker/status-publisher.js';

type Listener = Parameters<Broadcaster['subscribe']>[1];

describe('states of entities at the broker', () => {
  it('are cleared a minute after their end and not before, no matter which worker published them', async () => {
    let now = 1_000_000;
    let hear: Listener = () => undefined;
    const cleared: string[] = [];
    const broadcaster = {
      subscribe: async (_topic: string, listener: Listener) => {
        hear = listener;
        return async () => undefined;
      },
      clearRetained: async (topic: string) => cleared.push(topic) > 0,
    } as unknown as Broadcaster;
    const insights = new InsightRegistry(builtInInsights);
    const publisher = new StatusPublisher({
      db: undefined as never,
      insights,
      broadcaster,
      storePort: 9,
      now: () => now,
    });
    await publisher.start();
    const publish = (entity_id: number, status: string): void => {
      const vectors = { clip_embedding: null, dino_embedding: null, face_embeddings: null };
      const event = { entity_id, status, timestamp: now, face_detection: null, face_count: null, ...vectors };
      hear(TOPICS.entityStatus(9, entity_id), Buffer.from(JSON.stringify(event)), true);
    };
    publish(1, 'completed');
    publish(2, 'processing');
    publish(3, 'failed');
    hear(TOPICS.entityStatus(9, 4), Buffer.from('no status'), true);
    now += 59_999;
    await publisher.clearOld();
    expect(cleared).toEqual([]);
    publish(3, 'queued');
    now += 1;
    await publisher.clearOld();
    await publisher.clearOld();
    expect(cleared).toEqual([TOPICS.entityStatus(9, 1)]);
  });
});
