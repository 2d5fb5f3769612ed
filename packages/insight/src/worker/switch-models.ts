/**
 * Vectors of a new model are made while searches use those of the old model. When every entity has its new vector, or has
 * failed to get one, searches use the new vectors, all at once, and the old ones are deleted.
 */

import { sql } from 'kysely';
import { literal } from '../inferences/status.js';
import type { EntityFeed, InsightDatabase, RunWrite } from '../port.js';
import type { InsightRegistry } from '../registry.js';
import type { WantedModels } from './wanted-models.js';

/** Old vectors deleted in one transaction. */
const BATCH_SIZE = 500;

async function hasOpen(
  db: InsightDatabase,
  feed: EntityFeed,
  insight: string,
  status: 'pending' | 'processing',
): Promise<boolean> {
  const open = await db
    .selectFrom('inferences')
    .select('inferences.entity_id')
    .where('inferences.status', '=', literal(status))
    .where('inferences.task_type', '=', insight)
    .where(feed.isAlive(sql.ref('inferences.entity_id')))
    .limit(1)
    .executeTakeFirst();
  return open !== undefined;
}

export interface SwitchOptions {
  readonly feed: EntityFeed;
  readonly insights: InsightRegistry;
  readonly models: WantedModels;
}

/** @returns kinds of vectors whose model was switched now */
export async function switchModels(
  db: InsightDatabase,
  write: RunWrite,
  { feed, insights, models }: SwitchOptions,
): Promise<readonly string[]> {
  const switched: string[] = [];
  const active = await db.selectFrom('vector_models').selectAll().execute();
  for (const { kind, model } of active) {
    const name = insights.byVectorKind(kind)?.name;
    if (name === undefined) continue;
    const wanted = models.of(name);
    if (model === wanted) {
      await dropOthers(db, write, kind, model);
      continue;
    }
    const fresh = await db
      .selectFrom('vectors')
      .select('data')
      .where('kind', '=', kind)
      .where('model', '=', wanted)
      .limit(1)
      .executeTakeFirst();
    if (!fresh) continue;
    if ((await hasOpen(db, feed, name, 'processing')) || (await hasOpen(db, feed, name, 'pending'))) continue;
    const dimension = fresh.data.length / 4;
    await write(null, async ({ db: trx, now }) => {
      await trx
        .updateTable('vector_models')
        .set({ model: wanted, dimension, updated_at: now })
        .where('kind', '=', kind)
        .execute();
    });
    switched.push(kind);
  }
  return switched;
}

/** Deletes one batch of the vectors that no search uses any more; the next turns delete the rest. */
async function dropOthers(db: InsightDatabase, write: RunWrite, kind: string, model: string): Promise<void> {
  const old = db
    .selectFrom('vectors')
    .select('id')
    .where('kind', '=', kind)
    .where('model', '!=', model)
    .limit(BATCH_SIZE);
  if (!(await old.limit(1).executeTakeFirst())) return;
  await write(null, async ({ db: trx }) => {
    const ids = await trx
      .selectFrom('vectors')
      .select('id')
      .where('kind', '=', kind)
      .where('model', '!=', model)
      .limit(BATCH_SIZE)
      .execute();
    await trx
      .deleteFrom('vectors')
      .where(
        'id',
        'in',
        ids.map(({ id }) => id),
      )
      .execute();
  });
}
