/** Remarks on damaged pictures. The damage is found when a preview or a job first decodes the picture. */
import type { WriteTransaction } from '../database/transaction.js';
import { type FactsListener, setFacts } from './facts-of-content.js';

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
