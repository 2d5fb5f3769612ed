/**
 * Facts about a content that are found after its upload. They are copied to the entities that show the content, and the
 * change is announced. Damage is one of them: it is found when a preview or a job first decodes the picture.
 */
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

const DAMAGED = 'The picture is damaged';

/** Joins the problem found in the metadata with the remark on the picture that was stored before. */
export function withRemark(problem: string | null, before: string | null): string | null {
  const remark = before?.slice(before.indexOf(DAMAGED)) ?? '';
  if (!before?.includes(DAMAGED) || problem?.includes(DAMAGED)) return problem;
  return problem === null ? remark : `${problem} ${remark}`;
}

/** Adds a remark to the problems of a content, unless it is there already. */
export async function noteDamage(
  tx: Pick<WriteTransaction, 'db' | 'afterCommit'>,
  sha256: string,
  remark: string,
  onChanged: FactsListener,
): Promise<void> {
  const { db } = tx;
  const row = await db.selectFrom('files').select('metadata_error').where('sha256', '=', sha256).executeTakeFirst();
  if (!row || row.metadata_error?.includes(DAMAGED)) return;
  const metadata_error = [row.metadata_error, remark].filter((part) => part !== null).join(' ');
  await db.updateTable('files').set({ metadata_error }).where('sha256', '=', sha256).execute();
  await setFacts(tx, sha256, { metadata_error }, onChanged);
}
