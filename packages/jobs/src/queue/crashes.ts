/** Files on which a task's process died: after the second time no job tries them again (quarantine). */
import type { JobErrorCode } from '@cl-server/contract';
import type { Kysely } from 'kysely';
import { sql } from 'kysely';
import type { JobRow, JobTables } from '../tables.js';
import type { Tx } from './update.js';

/** Crashes of a task on a file after which the file is quarantined. */
export const CRASHES_TO_QUARANTINE = 2;
export const QUARANTINE: { readonly code: JobErrorCode; readonly message: string } = {
  code: 'quarantined',
  message: 'The process of this task crashed more than once with the same input; the job is not tried again',
};

/** Without a known input the job itself is counted. */
const fileOf = (row: Pick<JobRow, 'job_id' | 'input_sha256'>): string => row.input_sha256 ?? `job:${row.job_id}`;

/** Counts a crash. @returns crashes of this task on this file so far */
export async function countCrash(tx: Tx, row: JobRow, now: number): Promise<number> {
  const counted = await tx
    .insertInto('job_crashes')
    .values({ task_type: row.task_type, input_sha256: fileOf(row), crashes: 1, last_at: now })
    .onConflict((conflict) =>
      conflict
        .columns(['task_type', 'input_sha256'])
        .doUpdateSet({ crashes: sql<number>`job_crashes.crashes + 1`, last_at: now }),
    )
    .returning('crashes')
    .executeTakeFirstOrThrow();
  return counted.crashes;
}

export const deleteCrashes = (tx: Tx, row: JobRow): Promise<unknown> =>
  tx.deleteFrom('job_crashes').where('task_type', '=', row.task_type).where('input_sha256', '=', fileOf(row)).execute();

/** @returns those of the inputs that are quarantined, as `task sha256` */
export async function quarantined(db: Kysely<JobTables>, inputs: readonly string[]): Promise<ReadonlySet<string>> {
  if (inputs.length === 0) return new Set();
  const rows = await db
    .selectFrom('job_crashes')
    .select(['task_type', 'input_sha256'])
    .where('input_sha256', 'in', [...new Set(inputs)])
    .where('crashes', '>=', CRASHES_TO_QUARANTINE)
    .execute();
  return new Set(rows.map((row) => quarantineKey(row.task_type, row.input_sha256)));
}

export const quarantineKey = (taskType: string, sha256: string): string => `${taskType} ${sha256}`;
