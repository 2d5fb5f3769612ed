/** Reads what is known of entities and faces. */
import type { EntityJob, Face, Intelligence } from '@cl-server/contract';
import { notFound } from '@cl-server/service-kit';
import type { Kysely } from 'kysely';
import type { FaceRow, InferenceRow } from '../database/insight-tables.js';
import type { StoreTables } from '../database/tables.js';
import type { RunWrite } from '../database/transaction.js';
import { refreshKnown } from './refresh-status.js';
import { faceView, intelligenceView, jobsView, notLookedFor } from './view.js';

export class InsightReader {
  constructor(private readonly db: Kysely<StoreTables>) {}

  /** Null before the insight worker looked at the entity. */
  async intelligence(entityId: number, md5: string | null): Promise<Intelligence | null> {
    const insight = await this.db
      .selectFrom('insights')
      .selectAll()
      .where('entity_id', '=', entityId)
      .executeTakeFirst();
    return insight ? intelligenceView(insight, await this.#inferences(entityId), md5) : null;
  }

  async jobs(entityId: number): Promise<EntityJob[]> {
    return jobsView(await this.#inferences(entityId));
  }

  /** Why a search by the results of a task has nothing to compare with. @param subject of one face */
  async notice(entityId: number, task: string, subject?: string): Promise<string> {
    const rows = await this.#inferences(entityId);
    return notLookedFor(subject === undefined ? rows : rows.filter((row) => row.subject === subject), task);
  }

  async faces(entityId: number): Promise<Face[]> {
    const rows = await this.db
      .selectFrom('faces')
      .selectAll()
      .where('entity_id', '=', entityId)
      .orderBy('id')
      .execute();
    return rows.map(faceView);
  }

  async facesOfPerson(personId: number): Promise<Face[]> {
    const rows = await this.db
      .selectFrom('faces')
      .selectAll()
      .where('person_id', '=', personId)
      .orderBy('id')
      .execute();
    return rows.map(faceView);
  }

  /** @throws HttpError 404 */
  async face(id: number): Promise<FaceRow> {
    const row = await this.db.selectFrom('faces').selectAll().where('id', '=', id).executeTakeFirst();
    if (!row) throw notFound('Face not found');
    return row;
  }

  /** Of several faces, by id. */
  async facesById(ids: readonly number[]): Promise<ReadonlyMap<number, FaceRow>> {
    if (ids.length === 0) return new Map();
    const rows = await this.db
      .selectFrom('faces')
      .selectAll()
      .where('id', 'in', [...ids])
      .execute();
    return new Map(rows.map((row) => [row.id, row]));
  }

  async phashes(entityId: number): Promise<string[]> {
    const rows = await this.db
      .selectFrom('perceptual_hashes')
      .select('phash')
      .where('entity_id', '=', entityId)
      .orderBy('frame')
      .execute();
    return rows.map(({ phash }) => phash);
  }

  #inferences(entityId: number): Promise<InferenceRow[]> {
    return this.db.selectFrom('inferences').selectAll().where('entity_id', '=', entityId).execute();
  }
}

/** Removes a face with its vector and what was to be found out of it. @returns its crop, to be removed after. @throws HttpError 404 */
export function removeFace(write: RunWrite, id: number, actor: string | null): Promise<string> {
  return write(actor, async ({ db, now }) => {
    const face = await db.selectFrom('faces').selectAll().where('id', '=', id).executeTakeFirst();
    if (!face) throw notFound(`Face ${id} not found`);
    await db
      .deleteFrom('vectors')
      .where('entity_id', '=', face.entity_id)
      .where('kind', '=', 'face')
      .where('subject', '=', id)
      .execute();
    await db
      .deleteFrom('inferences')
      .where('entity_id', '=', face.entity_id)
      .where('task_type', '=', 'face_embedding')
      .where('subject', '=', String(id))
      .execute();
    await db.deleteFrom('faces').where('id', '=', id).execute();
    await refreshKnown(db, face.entity_id, now);
    return face.file_path;
  });
}
