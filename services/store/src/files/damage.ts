/** Remarks on pictures that are damaged: who decodes one first, a preview or a job, is the first to notice. */
import type { WriteTransaction } from '../database/transaction.js';
import { type FactsListener, setFacts } from './facts-of-content.js';

const DAMAGED = 'The picture is damaged';

/** What a reading of metadata found wrong, and the remark on the picture that was there already. */
export function withRemark(problem: string | null, before: string | null): string | null {
  const remark = before?.slice(before.indexOf(DAMAGED)) ?? '';
  if (!before?.includes(DAMAGED) || problem?.includes(DAMAGED)) return problem;
  return problem === null ? remark : `${problem} ${remark}`;
}

/** Adds a remark to what could not be read of a content. Said twice it stands there once. */
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
