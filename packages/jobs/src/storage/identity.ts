/** Whether the folder of job files belongs to the job tables. */
import { type Database, FolderIdentity, identityRow } from '@cl-server/service-kit';
import type { JobTables } from '../tables.js';

const KEY = 'jobs.folder_identity';
/** Number of jobs that are looked at; one whose folder exists is proof enough. */
const SAMPLE_SIZE = 50;

export interface JobFolderOptions {
  readonly database: Database<JobTables>;
  /** Absolute. */
  readonly folder: string;
  /** False for a worker. */
  readonly mayDecide: boolean;
  readonly now: () => number;
}

export function jobFolderIdentity({ database, folder, mayDecide, now }: JobFolderOptions): FolderIdentity {
  const expected = async (): Promise<readonly string[]> => {
    const rows = await database.kysely
      .selectFrom('jobs')
      .select(['job_id', 'params'])
      .orderBy('seq', 'desc')
      .limit(SAMPLE_SIZE)
      .execute();
    return rows.filter(({ params }) => params.includes('"input_path":"input/')).map(({ job_id }) => job_id);
  };
  const row = identityRow(database, KEY, now);
  return new FolderIdentity({ what: 'folder of job files', folder, row, expected, mayDecide, command: 'store adopt' });
}
