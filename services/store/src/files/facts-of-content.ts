/** What became known of a content after its upload reaches the entities that show it, and those who look at them. */
import type { ReadFacts } from '../database/facts.js';
import type { EntityRow } from '../database/tables.js';
import type { WriteTransaction } from '../database/transaction.js';

/** Called after the commit, once for each entity. */
export type FactsListener = (entity: Pick<EntityRow, 'id' | 'parent_id' | 'version'>) => void;

export async function setFacts(
  { db, afterCommit }: Pick<WriteTransaction, 'db' | 'afterCommit'>,
  sha256: string,
  facts: Partial<ReadFacts>,
  onChanged: FactsListener,
): Promise<void> {
  if (Object.keys(facts).length === 0) return;
  const entities = await db
    .updateTable('entities')
    .set(facts)
    .where('sha256', '=', sha256)
    .returning(['id', 'parent_id', 'version'])
    .execute();
  for (const entity of entities) afterCommit(() => onChanged(entity));
}
