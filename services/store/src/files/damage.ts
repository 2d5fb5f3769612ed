/** Remarks on pictures that are damaged: who decodes one first, a preview or a job, is the first to notice. */
import type { Transaction } from 'kysely';
import type { StoreTables } from '../database/tables.js';

/** Adds a remark to what could not be read of a content. Said twice it stands there once. */
export async function noteDamage(db: Transaction<StoreTables>, sha256: string, remark: string): Promise<void> {
  const row = await db.selectFrom('files').select('metadata_error').where('sha256', '=', sha256).executeTakeFirst();
  if (!row || row.metadata_error?.includes('The picture is damaged')) return;
  const metadata_error = [row.metadata_error, remark].filter((part) => part !== null).join(' ');
  await db.updateTable('files').set({ metadata_error }).where('sha256', '=', sha256).execute();
  await db.updateTable('entities').set({ metadata_error }).where('sha256', '=', sha256).execute();
}
