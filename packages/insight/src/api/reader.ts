/** Reads the insights of entities and faces. */

import type { EntityJob, Face, InsightResult, Intelligence } from '@cl-server/contract';
import { notFound } from '@cl-server/service-kit';
import { FACE_DETECTION } from '../built-in/face-detection.js';
import type { FaceRow, InferenceRow } from '../database/tables.js';
import { deleteSubject } from '../inferences/delete-insights.js';
import { refreshKnown } from '../inferences/refresh-status.js';
import type { InsightDatabase, RunWrite } from '../port.js';
import type { InsightRegistry } from '../registry.js';
import { faceView, intelligenceView, jobsView, notLookedFor } from './status-view.js';

export class InsightReader {
  constructor(
    private readonly db: InsightDatabase,
    private readonly insights: InsightRegistry,
  ) {}

  /** Null before the insight worker has planned the entity. */
  async intelligence(
    entityId: number,
    facts: { readonly md5: string | null; readonly hlsStreaming: () => Promise<string> },
  ): Promise<Intelligence | null> {
    const insight = await this.db
      .selectFrom('insights')
      .selectAll()
      .where('entity_id', '=', entityId)
      .executeTakeFirst();
    if (!insight) return null;
    const rows = await this.#inferences(entityId);
    const hlsStreaming = await facts.hlsStreaming();
    return intelligenceView({ insight, rows, md5: facts.md5, hlsStreaming }, this.insights);
  }

  async jobs(entityId: number): Promise<EntityJob[]> {
    return jobsView(await this.#inferences(entityId), this.insights);
  }

  /** Results of the insights that have no tables of their own. */
  async results(entityId: number): Promise<InsightResult[]> {
    const rows = await this.db
      .selectFrom('insight_results')
      .select(['insight', 'subject', 'value', 'updated_at'])
      .where('entity_id', '=', entityId)
      .orderBy('insight')
      .orderBy('subject')
      .execute();
    return rows.map(({ value, ...row }) => ({ ...row, value: JSON.parse(value) as unknown }));
  }

  /** Why a search by an insight has nothing to compare with. @param subject id of a face */
  async notice(entityId: number, insight: string, subject?: string): Promise<string> {
    const rows = await this.#inferences(entityId);
    return notLookedFor(subject === undefined ? rows : rows.filter((row) => row.subject === subject), insight);
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

  /** The rows of several faces, by id. */
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

/** Removes a face and what insights know about it. @returns its crop, to be removed afterwards. @throws HttpError 404 */
export function removeFace(
  { write, insights }: { readonly write: RunWrite; readonly insights: InsightRegistry },
  id: number,
  actor: string | null,
): Promise<string> {
  return write(actor, async ({ db, now }) => {
    const face = await db.selectFrom('faces').selectAll().where('id', '=', id).executeTakeFirst();
    if (!face) throw notFound(`Face ${id} not found`);
    const followers = insights
      .followersOf(FACE_DETECTION)
      .map(({ name, vector }) => ({ name, vectorKind: vector?.kind }));
    await deleteSubject(db, { entityId: face.entity_id, subject: id }, followers);
    await db.deleteFrom('faces').where('id', '=', id).execute();
    await refreshKnown(db, face.entity_id, now);
    return face.file_path;
  });
}
