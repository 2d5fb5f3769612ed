/** What is known of entities: how far it is, faces, vectors. */
import fs from 'node:fs/promises';
import {
  deleteFace,
  getClipEmbedding,
  getDinoEmbedding,
  getEntityFaces,
  getEntityJobs,
  getFaceEmbedding,
  getInsightStatus,
  getIntelligence,
  type Intelligence,
  retryIntelligence,
} from '@cl-server/contract';
import { encodeNpy } from '@cl-server/models';
import { Answer, type App } from '@cl-server/service-kit';
import type { Kysely } from 'kysely';
import type { VectorKind } from '../database/insight-tables.js';
import type { StoreTables } from '../database/tables.js';
import type { RunWrite } from '../database/transaction.js';
import type { EntityReader } from '../entities/reader.js';
import type { MediaFolder } from '../files/media-folder.js';
import type { Streams } from '../files/streams.js';
import type { InsightMonitor } from '../insight/monitor.js';
import { type InsightReader, removeFace } from '../insight/reader.js';
import { revive } from '../insight/revive.js';
import type { VectorStore } from '../vectors/vector-store.js';
import type { UserOf } from './entities.js';

export interface IntelligenceRoutes {
  readonly db: Kysely<StoreTables>;
  readonly write: RunWrite;
  readonly reader: EntityReader;
  readonly insights: InsightReader;
  readonly vectors: VectorStore;
  readonly monitor: InsightMonitor;
  readonly folder: MediaFolder;
  readonly streams: Pick<Streams, 'status'>;
  readonly userOf: UserOf;
}

const npyAnswer = (vector: Float32Array, name: string): Answer =>
  new Answer(200, encodeNpy(vector), {
    'content-type': 'application/octet-stream',
    'content-disposition': `attachment; filename=${name}.npy`,
  });

export function serveIntelligence(app: App, options: IntelligenceRoutes): void {
  const { db, write, reader, insights, vectors, monitor, folder, streams, userOf } = options;

  /** Streams are made on demand, not by the insight worker: their state is asked of them. */
  const known = async (id: number): Promise<Intelligence | null> => {
    const row = await reader.row(id);
    const found = await insights.intelligence(id, row.md5);
    if (!found) return null;
    return { ...found, inference_status: { ...found.inference_status, hls_streaming: await streams.status(row) } };
  };

  app.handle(getInsightStatus, () => monitor.status());
  app.handle(getIntelligence, ({ params }) => known(params.entity_id));
  app.handle(getEntityFaces, async ({ params }) => {
    await reader.row(params.entity_id);
    return insights.faces(params.entity_id);
  });
  app.handle(getEntityJobs, async ({ params }) => {
    await reader.row(params.entity_id);
    return insights.jobs(params.entity_id);
  });
  app.handle(retryIntelligence, async ({ params }) => {
    await reader.row(params.entity_id);
    await revive(db, write, { entityId: params.entity_id });
    return known(params.entity_id);
  });

  const entityVector = async (kind: VectorKind, id: number, missing: string, name: string): Promise<Answer> => {
    await reader.row(id);
    return npyAnswer(await vectors.one(kind, id, 0, missing), `entity_${id}_${name}`);
  };
  app.handle(getClipEmbedding, ({ params }) =>
    entityVector('clip', params.entity_id, 'Entity CLIP Vector not found', 'clip_embedding'),
  );
  app.handle(getDinoEmbedding, ({ params }) =>
    entityVector('dino', params.entity_id, 'Entity DINO Vector not found', 'dino_embedding'),
  );
  app.handle(getFaceEmbedding, async ({ params }) => {
    const face = await insights.face(params.face_id);
    const vector = await vectors.one('face', face.entity_id, face.id, 'Face Vector not found');
    return npyAnswer(vector, `face_${face.id}_embedding`);
  });

  app.handle(deleteFace, async ({ params, user }) => {
    const crop = await removeFace(write, params.face_id, userOf(user));
    if (crop !== '') await fs.rm(folder.resolve(crop), { force: true });
  });
}
