import {
  getSimilarEntities,
  getSimilarFaces,
  listDuplicates,
  type SimilarityKind,
  searchByPicture,
  searchByText,
} from '@cl-server/contract';
import type { JobEngine } from '@cl-server/jobs';
import { cursorCodec } from '@cl-server/kit';
import { decodeNpy, normalized } from '@cl-server/models';
import { type App, badRequest, HttpError, positionOf, type ReceivedFile } from '@cl-server/service-kit';
import type { EntityReader } from '../entities/reader.js';
import { readResult } from '../insight/collect/collector.js';
import type { InsightReader } from '../insight/reader.js';
import { faceView } from '../insight/view.js';
import type { Duplicates } from '../search/duplicates.js';
import type { InteractiveJobs } from '../search/interactive.js';
import type { Question, Search } from '../search/search.js';
import type { VectorStore } from '../vectors/vector-store.js';

const duplicateCursors = cursorCodec('d');

export interface SearchRoutes {
  readonly search: Search;
  readonly duplicates: Duplicates;
  readonly interactive: InteractiveJobs;
  readonly storage: JobEngine['storage'];
  readonly reader: EntityReader;
  readonly insights: InsightReader;
  readonly vectors: VectorStore;
  /** Folder for pictures that are asked about. */
  readonly incoming: string;
}

/** Milliseconds that a person waits for a text, and for a picture that must be decoded first. */
const TEXT_WAIT = 2_000;
const PICTURE_WAIT = 10_000;
/** Bytes of a picture that is asked about: it is decoded while somebody waits. */
const LARGEST_PICTURE = 100_000_000;

type SearchQuery = Question['paging'] & Question['filters'];

/** Splits a query into its paging and the filters of the entity list. */
function questionOf({ limit, score_threshold, cursor, ...filters }: SearchQuery): Question {
  return { paging: { limit, score_threshold, cursor }, filters };
}

export function serveSearch(app: App, options: SearchRoutes): void {
  const { search, duplicates, interactive, storage, reader, insights, vectors, incoming } = options;

  app.handle(searchByText, async ({ query: { text, ...query } }) => {
    const vector = await interactive.run(
      { taskType: 'clip_text_embedding', params: { text }, within: TEXT_WAIT },
      async ({ task_output }) => normalized(Float32Array.from(task_output?.embedding as number[])),
    );
    return search.byVectors('clip', [vector], questionOf(query));
  });

  const ofPicture = async (by: SimilarityKind, file: ReceivedFile, question: Question) => {
    const input = {
      name: file.filename || 'picture',
      size: file.size,
      source: { path: file.path, move: true, sha256: file.sha256 },
    };
    const taskType = by === 'phash' ? 'hash' : `${by}_embedding`;
    return interactive.run({ taskType, params: {}, input, within: PICTURE_WAIT }, async (job) => {
      if (by !== 'phash')
        return search.byVectors(
          by,
          [normalized(decodeNpy(await readResult(storage, job, String(job.params.output_path))))],
          question,
        );
      const phash = job.task_output?.phash;
      if (typeof phash !== 'string')
        throw new HttpError(422, String(job.task_output?.perceptual_error ?? 'The picture cannot be read'));
      return search.byPhash([phash], question);
    });
  };
  app.handle(
    searchByPicture,
    async ({ query, form, files }) => {
      const file = files.find(({ field }) => field === 'file');
      if (!file) throw badRequest('A picture is needed');
      return ofPicture(form.by, file, questionOf(query));
    },
    { uploads: { folder: incoming, maxBytes: LARGEST_PICTURE } },
  );

  app.handle(getSimilarEntities, async ({ params, query: { by, ...query } }) => {
    await reader.row(params.entity_id);
    const question = { ...questionOf(query), exceptEntity: params.entity_id };
    const { entity_id: id } = params;
    const own = by === 'phash' ? await insights.phashes(id) : await vectors.of(by, id);
    const page =
      by === 'phash'
        ? await search.byPhash(own as string[], question)
        : await search.byVectors(by, own as Float32Array[], question);
    const task = by === 'phash' ? 'hash' : `${by}_embedding`;
    return { query_entity_id: id, ...page, notice: own.length > 0 ? null : await insights.notice(id, task) };
  });

  app.handle(getSimilarFaces, async ({ params, query }) => {
    const face = await insights.face(params.face_id);
    const own = await vectors.of('face', face.entity_id, face.id);
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
      notice: own.length > 0 ? null : await insights.notice(face.entity_id, 'face_embedding', String(face.id)),
    };
  });

  app.handle(listDuplicates, async ({ query }) => {
    const after = positionOf(duplicateCursors, query.cursor) ?? 0;
    const { items, next, total } = await duplicates.list(query.distance, after, query.limit);
    return { items, next_cursor: next === null ? null : duplicateCursors.encode(next), total };
  });
}
