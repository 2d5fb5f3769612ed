/** Insights of entities: their states, results, faces and vectors. */

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
  type TokenClaims,
} from '@cl-server/contract';
import { encodeNpy } from '@cl-server/models';
import { Answer, type App, notFound } from '@cl-server/service-kit';
import { faceEmbedding } from '../built-in/face-embedding.js';
import type { EntityView, InsightDatabase, MediaStore, RunWrite } from '../port.js';
import type { InsightRegistry, VectorInsight } from '../registry.js';
import type { VectorStore } from '../vectors/vector-store.js';
import { retryFailed } from '../worker/retry-failed.js';
import type { InsightMonitor } from './monitor.js';
import { type InsightReader, removeFace } from './reader.js';

export interface InsightRoutes {
  readonly registry: InsightRegistry;
  readonly db: InsightDatabase;
  readonly write: RunWrite;
  readonly view: EntityView;
  readonly insights: InsightReader;
  readonly vectors: VectorStore;
  readonly monitor: InsightMonitor;
  readonly folder: MediaStore;
  readonly userOf: (claims: TokenClaims | null) => string | null;
}

const npyAnswer = (vector: Float32Array, name: string) =>
  new Answer(200, encodeNpy(vector), {
    'content-type': 'application/octet-stream',
    'content-disposition': `attachment; filename=${name}.npy`,
  });

export function serveInsights(app: App, options: InsightRoutes): void {
  const { registry, db, write, view, insights, vectors, monitor, folder, userOf } = options;

  const stateOf = async (id: number): Promise<Intelligence | null> => {
    const { md5, streamStatus } = await view.get(id);
    return insights.intelligence(id, { md5, hlsStreaming: streamStatus });
  };

  app.handle(getInsightStatus, () => monitor.status());
  app.handle(getIntelligence, ({ params }) => stateOf(params.entity_id));
  app.handle(getEntityFaces, async ({ params }) => {
    await view.get(params.entity_id);
    return insights.faces(params.entity_id);
  });
  app.handle(getEntityJobs, async ({ params }) => {
    await view.get(params.entity_id);
    return insights.jobs(params.entity_id);
  });
  app.handle(retryIntelligence, async ({ params }) => {
    await view.get(params.entity_id);
    await retryFailed(db, write, { entityId: params.entity_id });
    return stateOf(params.entity_id);
  });

  app.handle(getInsightResults, async ({ params }) => {
    await view.get(params.entity_id);
    return insights.results(params.entity_id);
  });

  const entityVector = async ({ name, vector: { kind, title } }: VectorInsight, id: number) => {
    await view.get(id);
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
    if (crop !== '') await folder.blobs.delete(crop);
  });
}
