/**
 * Vectors of deleted entities and faces, and of insights that are no longer installed. Foreign keys delete the vectors of an
 * entity; faces are only named by number.
 */

import type { AuditReport } from '@cl-server/contract';
import { type RawBuilder, sql } from 'kysely';
import { FACE_DETECTION } from '../built-in/face-detection.js';
import type { EntityFeed, Reads, RunWrite } from '../port.js';
import type { InsightRegistry } from '../registry.js';
import type { Orphans } from './orphans.js';

type OrphanedVector = AuditReport['orphaned_vectors'][number];

const PAGE_SIZE = 5_000;

function orphanCondition(insights: InsightRegistry, feed: EntityFeed): RawBuilder<unknown> {
  const kinds = insights.withVector.map(({ vector }) => vector.kind);
  const kindsOfFaces = insights.followersOf(FACE_DETECTION).flatMap(({ vector }) => vector?.kind ?? []);
  const list = (values: readonly string[]) => sql.join(values.length > 0 ? values : [null]);
  return sql`(
    not ${feed.exists(sql.ref('v.entity_id'))}
    or v.kind not in (${list(kinds)})
    or (v.kind in (${list(kindsOfFaces)})
      and not exists (select 1 from faces f where f.id = v.subject and f.entity_id = v.entity_id))
  )`;
}

export class OrphanedVectors implements Orphans<OrphanedVector> {
  readonly #isOrphan: RawBuilder<unknown>;

  constructor(
    insights: InsightRegistry,
    feed: EntityFeed,
    private readonly reads: Reads,
    private readonly write: RunWrite,
  ) {
    this.#isOrphan = orphanCondition(insights, feed);
  }

  async *find(): AsyncGenerator<OrphanedVector> {
    // The pages are of rows, not of ids: the ids grow with each vector that is made again.
    for (let after = 0; ; ) {
      const [group] = await this.reads.all<{ last: number | null }>(sql`
        select max(id) as last from (select id from vectors where id > ${after} order by id limit ${PAGE_SIZE}) as g`);
      if (group?.last == null) return;
      yield* await this.reads.all<OrphanedVector>(sql`
        select v.id as vector_id, v.kind || '_embeddings' as collection_name from vectors v
        where v.id > ${after} and v.id <= ${group.last} and ${this.#isOrphan}`);
      after = group.last;
    }
  }

  remove({ vector_id }: OrphanedVector): Promise<boolean> {
    return this.write(null, async ({ db }) => {
      const { rows } = await sql`
        delete from vectors as v where v.id = ${vector_id} and ${this.#isOrphan} returning id`.execute(db);
      return rows.length === 1;
    });
  }
}
