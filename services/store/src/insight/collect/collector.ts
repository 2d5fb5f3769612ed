/** How the results of one task become rows. */
import type { JobRecord, JobStorage } from '@cl-server/jobs';
import type { Transaction } from 'kysely';
import type { InferenceRow } from '../../database/insight-tables.js';
import type { StoreTables } from '../../database/tables.js';
import type { MediaFolder } from '../../files/media-folder.js';
import type { WantedModels } from '../wanted-models.js';

export interface CollectContext {
  readonly storage: Pick<JobStorage, 'open'>;
  readonly media: MediaFolder;
  readonly models: WantedModels;
}

/** Read from the job before the transaction; nothing in it is looked at outside of it. */
export interface Collected {
  /** Model that made it, as `modelStamp` writes it; empty where the task has none. */
  readonly model: string;
  /** Writes the rows. Must give the same however often it runs. @returns files to remove after the commit */
  store(db: Transaction<StoreTables>, now: number): Promise<readonly string[]>;
  /** Files that were made for the rows, to remove where these are not written. */
  readonly files?: readonly string[];
}

export type Collect = (
  job: JobRecord,
  inference: Pick<InferenceRow, 'entity_id' | 'subject'> & { readonly sha256: string },
  context: CollectContext,
) => Promise<Collected>;

const MAX_RESULT = 64 * 1024 * 1024;

/** A result file of a job, whole. */
export async function readResult(storage: CollectContext['storage'], job: JobRecord, file: string): Promise<Buffer> {
  await using open = await storage.open(job, file);
  if (open.size > MAX_RESULT) throw new Error(`result ${file} has ${open.size} bytes`);
  return await open.handle.readFile();
}
