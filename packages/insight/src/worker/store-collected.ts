/** Writes the data that an insight collected: its value, its vector, and the rows of its own tables. */

import { assertFinite, normalized } from '@cl-server/models';
import type { Collected, ResultSubject } from '../collect-context.js';
import type { Insight } from '../define.js';
import type { InsightTransaction } from '../port.js';
import { putVector } from '../vectors/vector-store.js';

/** A value is shown as a whole, so it has to stay small. */
const MAX_VALUE_BYTES = 64 * 1024;
const MAX_DIMENSION = 8_192;

/** @throws Error if the result has no place in the database */
export function checkCollected({ name, vector }: Insight, collected: Collected): void {
  const bytes = Buffer.byteLength(JSON.stringify(collected.value ?? null));
  if (bytes > MAX_VALUE_BYTES)
    throw new Error(`the value of insight ${name} has ${bytes} bytes; at most ${MAX_VALUE_BYTES} are stored`);
  if (!collected.vector) return;
  if (!vector) throw new Error(`insight ${name} collected a vector, but its definition has none`);
  const { length } = collected.vector;
  if (length < 1 || length > MAX_DIMENSION)
    throw new Error(`the vector of insight ${name} has ${length} numbers; 1 to ${MAX_DIMENSION} are possible`);
  assertFinite(collected.vector);
}

/** @returns files to remove once the transaction is committed */
export async function storeCollected(
  db: InsightTransaction,
  result: {
    readonly insight: Insight;
    readonly about: ResultSubject;
    readonly model: string;
    readonly collected: Collected;
    readonly now: number;
  },
): Promise<readonly string[]> {
  const { insight, about, model, collected, now } = result;
  const { entityId, subject } = about;
  if (collected.value !== undefined) {
    const row = { value: JSON.stringify(collected.value), updated_at: now };
    await db
      .insertInto('insight_results')
      .values({ entity_id: entityId, insight: insight.name, subject, ...row })
      .onConflict((conflict) => conflict.columns(['entity_id', 'insight', 'subject']).doUpdateSet(row))
      .execute();
  }
  if (insight.vector && collected.vector) {
    const { kind } = insight.vector;
    const vector = normalized(collected.vector);
    await putVector(db, { kind, model, entityId, subject: Number(subject || 0) }, vector);
    // Searches use the first vectors of a kind at once, and those of a later model only when all of them are made.
    await db
      .insertInto('vector_models')
      .values({ kind, model, dimension: vector.length, updated_at: now })
      .onConflict((conflict) => conflict.column('kind').doNothing())
      .execute();
  }
  return collected.store ? collected.store(db, now) : [];
}
