/** What is known of entities: nothing, until an insight worker says otherwise. */
import {
  deleteFace,
  getClipEmbedding,
  getDinoEmbedding,
  getEntityFaces,
  getEntityJobs,
  getFaceEmbedding,
  getInsightStatus,
  getIntelligence,
  getKnownPerson,
  getKnownPersonFaces,
  listKnownPersons,
  renameKnownPerson,
} from '@cl-server/contract';
import { type App, notFound } from '@cl-server/runtime';
import type { EntityReader } from '../entities/reader.js';

export function serveIntelligence(app: App, reader: EntityReader): void {
  const noPerson = (): never => {
    throw notFound('Known person not found');
  };
  app.handle(getInsightStatus, () => null);
  app.handle(getIntelligence, async ({ params }) => {
    await reader.row(params.entity_id);
    return null;
  });
  for (const endpoint of [getEntityFaces, getEntityJobs])
    app.handle(endpoint, async ({ params }) => {
      await reader.row(params.entity_id);
      return [];
    });
  app.handle(getClipEmbedding, async ({ params }) => {
    await reader.row(params.entity_id);
    throw notFound('Entity CLIP Vector not found');
  });
  app.handle(getDinoEmbedding, async ({ params }) => {
    await reader.row(params.entity_id);
    throw notFound('Entity DINO Vector not found');
  });
  app.handle(getFaceEmbedding, () => {
    throw notFound('Face not found');
  });
  app.handle(deleteFace, ({ params }) => {
    throw notFound(`Face ${params.face_id} not found`);
  });
  app.handle(listKnownPersons, () => []);
  app.handle(getKnownPerson, noPerson);
  app.handle(getKnownPersonFaces, noPerson);
  app.handle(renameKnownPerson, noPerson);
}
