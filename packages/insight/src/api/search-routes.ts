import {
  getSimilarEntities,
  getSimilarFaces,
  listDuplicates,
  searchByPicture,
  searchByText,
} from '@cl-server/contract';
import type { JobEngine } from '@cl-server/jobs';
import { cursorCodec } from '@cl-server/kit';
import { normalized } from '@cl-server/models';
import { type App, badRequest, HttpError, positionOf, type ReceivedFile } from '@cl-server/service-kit';
import { faceEmbedding } from '../built-in/face-embedding.js';
import { jobResult } from '../collect-context.js';
import type { EntityView } from '../port.js';
import type { InsightRegistry } from '../registry.js';
import type { Duplicates } from '../search/duplicates.js';
import type { InteractiveJobs } from '../search/interactive.js';
import type { Question, Search } from '../search/search.js';
import type { Similarities, Similarity } from '../search/similarity.js';
import type { VectorStore } from '../vectors/vector-store.js';
import type { InsightReader } from './reader.js';
import { faceView } from './status-view.js';

const duplicateCursors = cursorCodec('d');

export interface SearchRoutes {
  readonly registry: InsightRegistry;
  readonly search: Search;
  readonly similarities: Similarities;
  readonly duplicates: Duplicates;
  readonly interactive: InteractiveJobs;
  readonly storage: JobEngine['storage'];
  readonly view: EntityView;
  readonly insights: InsightReader;
  readonly vectors: VectorStore;
  /** Folder for the pictures of searches. */
  readonly incoming: string;
}

/** A user waits for the response. A picture must be decoded first. */
const TEXT_WAIT_MS = 2_000;
const PICTURE_WAIT_MS = 10_000;
/** A user waits while the picture is decoded, so it must not be larger. */
const MAX_PICTURE_BYTES = 100_000_000;

type SearchQuery = Question['paging'] & Question['filters'];

/** Splits a query into its paging and the filters of the entity list. */
function questionOf({ limit, score_threshold, cursor, ...filters }: SearchQuery): Question {
  return { paging: { limit, score_threshold, cursor }, filters };
}

export function serveSearch(app: App, options: SearchRoutes): void {
  const { registry, search, similarities, duplicates, interactive, storage, view, insights, vectors, incoming } =
    options;

  app.handle(searchByText, async ({ query: { text, ...query } }) => {
    const vector = registry.withVector.map((insight) => insight.vector).find(({ textTask }) => textTask !== undefined);
    if (vector?.textTask === undefined) throw new HttpError(503, 'No insight of this server can be searched by a text');
    const found = await interactive.run(
      { taskType: vector.textTask, params: { text }, within: TEXT_WAIT_MS },
      async ({ task_output }) => normalized(Float32Array.from(task_output?.['embedding'] as number[])),
    );
    return search.byVectors(vector.kind, [found], questionOf(query));
  });

  const byPicture = async ({ insight, ofResult }: Similarity, file: ReceivedFile, question: Question) => {
    const input = {
      name: file.filename || 'picture',
      size: file.size,
      source: { path: file.path, move: true, sha256: file.sha256 },
    };
    const { task: taskType, params = {} } = insight;
    return interactive.run({ taskType, params, input, within: PICTURE_WAIT_MS }, async (job) =>
      (await ofResult(jobResult(job, storage))).find(question),
    );
  };
  app.handle(
    searchByPicture,
    async ({ query, form, files }) => {
      const file = files.find(({ field }) => field === 'file');
      if (!file) throw badRequest('A picture is needed');
      return byPicture(similarities.get(form.by, 'body'), file, questionOf(query));
    },
    { uploads: { folder: incoming, maxBytes: MAX_PICTURE_BYTES } },
  );

  app.handle(getSimilarEntities, async ({ params, query: { by, ...query } }) => {
    const similarity = similarities.get(by, 'query');
    const { entity_id: id } = params;
    await view.get(id);
    const own = await similarity.ofEntity(id);
    const page = await own.find({ ...questionOf(query), exceptEntity: id });
    const notice = own.isEmpty ? await insights.notice(id, similarity.insight.name) : null;
    return { query_entity_id: id, ...page, notice };
  });

  app.handle(getSimilarFaces, async ({ params, query }) => {
    const face = await insights.face(params.face_id);
    const own = await vectors.of(faceEmbedding.vector.kind, face.entity_id, face.id);
    const page = await search.faces(own, questionOf({ ...query, limit: query.limit + 1 }));
    const others = page.results.filter(({ subject }) => subject !== face.id).slice(0, query.limit);
    const rows = await insights.facesById(others.map(({ subject }) => subject));
    return {
      query_face_id: face.id,
      results: others.flatMap(({ subject, score, entity }) => {
        const row = rows.get(subject);
        return row ? [{ face_id: subject, score, known_person_id: row.person_id, face: faceView(row), entity }] : [];
      }),
      next_cursor: page.next_cursor,
      model_id: page.model_id,
      notice: own.length > 0 ? null : await insights.notice(face.entity_id, faceEmbedding.name, String(face.id)),
    };
  });

  app.handle(listDuplicates, async ({ query }) => {
    const after = positionOf(duplicateCursors, query.cursor) ?? 0;
    const { items, next, total } = await duplicates.list(query.distance, after, query.limit);
    return { items, next_cursor: next === null ? null : duplicateCursors.encode(next), total };
  });
}
