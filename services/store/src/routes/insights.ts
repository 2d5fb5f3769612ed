/** Insights of entities: their states, results, faces and vectors. */
import fs from 'node:fs/promises';
import {
  deleteFace,
  getEntityFaces,
  getEntityJobs,
  getEntityVector,
  getFaceEmbedding,
  getInsightResults,
  getInsightStatus,
  getIntelligence,
  type Intelligence,
  retryIntelligence,
} from '@cl-server/contract';
import { encodeNpy } from '@cl-server/models';
import { Answer, type App, notFound } from '@cl-server/service-kit';
import type { Kysely } from 'kysely';
import type { StoreTables } from '../database/tables.js';
import type { RunWrite } from '../database/transaction.js';
import type { EntityReader } from '../entities/reader.js';
import type { MediaFolder } from '../files/media-folder.js';
import type { Streams } from '../files/streams.js';
import { faceEmbedding } from '../insight/built-in/face-embedding.js';
import type { InsightMonitor } from '../insight/monitor.js';
import { type InsightReader, removeFace } from '../insight/reader.js';
import type { InsightRegistry, VectorInsight } from '../insight/registry.js';
import { retryFailed } from '../insight/retry-failed.js';
import type { VectorStore } from '../vectors/vector-store.js';
import type { UserOf } from './entities.js';

export interface InsightRoutes {
  readonly registry: InsightRegistry;
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

const npyAnswer = (vector: Float32Array, name: string) =>
  new Answer(200, encodeNpy(vector), {
    'content-type': 'application/octet-stream',
    'content-disposition': `attachment; filename=${name}.npy`,
  });

export function serveInsights(app: App, options: InsightRoutes): void {
  const { registry, db, write, reader, insights, vectors, monitor, folder, streams, userOf } = options;

  const stateOf = async (id: number): Promise<Intelligence | null> => {
    const row = await reader.row(id);
    return insights.intelligence(id, { md5: row.md5, hlsStreaming: () => streams.status(row) });
  };

  app.handle(getInsightStatus, () => monitor.status());
  app.handle(getIntelligence, ({ params }) => stateOf(params.entity_id));
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
    await retryFailed(db, write, { entityId: params.entity_id });
    return stateOf(params.entity_id);
  });

  app.handle(getInsightResults, async ({ params }) => {
    await reader.row(params.entity_id);
    return insights.results(params.entity_id);
  });

  const entityVector = async ({ name, vector: { kind, title } }: VectorInsight, id: number) => {
    await reader.row(id);
    const vector = await vectors.one(kind, id, 0, `Entity ${title} Vector not found`);
    return npyAnswer(vector, `entity_${id}_${name}`);
  };
  for (const insight of registry.withVector)
    if (insight.vector.download)
      app.handle(insight.vector.download, ({ params }) => entityVector(insight, params.entity_id));
  app.handle(getEntityVector, ({ params: { entity_id, kind } }) => {
    const insight = registry.byVectorKind(kind);
    if (!insight || insight.follows !== undefined) throw notFound(`Entities have no vectors of the kind ${kind}`);
    return entityVector(insight, entity_id);
  });
  app.handle(getFaceEmbedding, async ({ params }) => {
    const face = await insights.face(params.face_id);
    const vector = await vectors.one(faceEmbedding.vector.kind, face.entity_id, face.id, 'Face Vector not found');
    return npyAnswer(vector, `face_${face.id}_embedding`);
  });

  app.handle(deleteFace, async ({ params, user }) => {
    const crop = await removeFace({ write, insights: registry }, params.face_id, userOf(user));
    if (crop !== '') await fs.rm(folder.resolve(crop), { force: true });
  });
}
