/**
 * Jobs of the insight worker that no inference refers to: their result will never be stored, and they keep a copy of a
 * picture. Such a job remains if a process dies after it created the job and before it stored the id.
 */

import type { AuditReport } from '@cl-server/contract';
import type { JobEngine } from '@cl-server/jobs';
import { INSIGHT_OWNER } from '../owner.js';
import type { InsightDatabase } from '../port.js';
import type { Orphans } from './orphans.js';

type OrphanedJob = AuditReport['orphaned_jobs'][number];

const PAGE = 200;
/** Milliseconds after which the id of a job is stored, or a search by picture has ended. */
const YOUNG = 10 * 60_000;

export class OrphanedJobs implements Orphans<OrphanedJob> {
  constructor(
    private readonly db: InsightDatabase,
    private readonly jobs: Pick<JobEngine, 'repository'>,
    private readonly now: () => number,
  ) {}

  async *find(): AsyncGenerator<OrphanedJob> {
    const filter = { created_by: INSIGHT_OWNER, created_before: this.now() - YOUNG, limit: PAGE };
    for (let cursor: string | undefined; ; ) {
      const { items, next_cursor } = await this.jobs.repository.list({ ...filter, cursor });
      const ids = items.map(({ job_id }) => job_id);
      const known = await this.#referredTo(ids);
      for (const job_id of ids) if (!known.has(job_id)) yield { job_id };
      if (next_cursor === null) return;
      cursor = next_cursor;
    }
  }

  async remove({ job_id }: OrphanedJob): Promise<boolean> {
    if ((await this.#referredTo([job_id])).size > 0) return false;
    return this.jobs.repository.deleteJob(job_id);
  }

  async #referredTo(ids: readonly string[]): Promise<ReadonlySet<string>> {
    if (ids.length === 0) return new Set();
    const rows = await this.db
      .selectFrom('inferences')
      .select('job_id')
      .where('job_id', 'in', [...ids])
      .where('job_id', 'is not', null)
      .execute();
    return new Set(rows.flatMap(({ job_id }) => job_id ?? []));
  }
}
