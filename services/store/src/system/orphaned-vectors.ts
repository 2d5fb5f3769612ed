/** Vectors of entities or faces that are gone. Foreign keys see to the entities; faces are only named by number. */
import type { AuditReport } from '@cl-server/contract';
import { sql } from 'kysely';
import type { Reads } from '../database/reads.js';
import type { RunWrite } from '../database/transaction.js';
import type { Orphans } from './orphans.js';

type OrphanedVector = AuditReport['orphaned_vectors'][number];

const GROUP = 5_000;

const isOrphan = sql`(
  not exists (select 1 from entities e where e.id = v.entity_id)
  or (v.kind = 'face' and not exists (select 1 from faces f where f.id = v.subject and f.entity_id = v.entity_id))
)`;

export class OrphanedVectors implements Orphans<OrphanedVector> {
  constructor(
    private readonly reads: Reads,
    private readonly write: RunWrite,
  ) {}

  async *find(): AsyncGenerator<OrphanedVector> {
    // By rows and not by ids, which grow with each vector that is made again.
    for (let after = 0; ; ) {
      const [group] = await this.reads.all<{ last: number | null }>(sql`
        select max(id) as last from (select id from vectors where id > ${after} order by id limit ${GROUP}) as g`);
      if (group?.last == null) return;
      yield* await this.reads.all<OrphanedVector>(sql`
        select v.id as vector_id, v.kind || '_embeddings' as collection_name from vectors v
        where v.id > ${after} and v.id <= ${group.last} and ${isOrphan}`);
      after = group.last;
    }
  }

  remove({ vector_id }: OrphanedVector): Promise<boolean> {
    return this.write(null, async ({ db }) => {
      const { rows } = await sql`
        delete from vectors as v where v.id = ${vector_id} and ${isOrphan} returning id`.execute(db);
      return rows.length === 1;
    });
  }
}
