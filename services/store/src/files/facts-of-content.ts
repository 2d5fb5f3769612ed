/** Copies facts that are found after an upload to the entities that show the content, and announces the change. */
import type { ReadFacts } from '../database/facts.js';
import type { EntityRow } from '../database/tables.js';
import type { WriteTransaction } from '../database/transaction.js';

/** Called for each entity after the commit. */
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
