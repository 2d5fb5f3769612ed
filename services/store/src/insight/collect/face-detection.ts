/**
 * Faces become rows and their crops files of the media folder. A face that was there before (the boxes overlap by half)
 * keeps its id, and with it what a person said of it.
 */
import fs from 'node:fs/promises';
import path from 'node:path';
import { type DetectedFace, type FaceBox, faceDetectionTask } from '@cl-server/contract';
import type { Transaction } from 'kysely';
import type { FaceRow } from '../../database/insight-tables.js';
import type { StoreTables } from '../../database/tables.js';
import type { MediaFolder } from '../../files/media-folder.js';
import { modelStamp } from '../../vectors/model-stamp.js';
import { type Collect, type CollectContext, readResult } from './collector.js';

const SAME_FACE = 0.5;

function overlap(a: FaceBox, b: FaceBox): number {
  const width = Math.min(a.x2, b.x2) - Math.max(a.x1, b.x1);
  const height = Math.min(a.y2, b.y2) - Math.max(a.y1, b.y1);
  if (width <= 0 || height <= 0) return 0;
  const area = (box: FaceBox): number => (box.x2 - box.x1) * (box.y2 - box.y1);
  return (width * height) / (area(a) + area(b) - width * height);
}

/** `.derived/faces/{entity}/{digest of the job}-{n}.png`: a name of its own for each try, so that none is overwritten. */
async function saveCrop(media: MediaFolder, entityId: number, name: string, png: Buffer): Promise<string> {
  const folder = path.join(media.derived, 'faces', String(entityId));
  await fs.mkdir(folder, { recursive: true, mode: 0o750 });
  const file = path.join(folder, name);
  await fs.writeFile(`${file}.part`, png);
  await fs.rename(`${file}.part`, file);
  return path.relative(media.root, file);
}

interface Found {
  readonly face: DetectedFace;
  readonly file: string;
}

async function saveCrops(
  faces: readonly DetectedFace[],
  job: Parameters<Collect>[0],
  entityId: number,
  { storage, media }: CollectContext,
): Promise<Found[]> {
  const found: Found[] = [];
  for (const [index, face] of faces.entries()) {
    const crop = face.file_path === '' ? undefined : await readResult(storage, job, face.file_path);
    const name = `${job.job_id.slice(0, 18)}-${index}.png`;
    found.push({ face, file: crop ? await saveCrop(media, entityId, name, crop) : '' });
  }
  return found;
}

const columnsOf = ({ face, file }: Found) => ({
  bbox: JSON.stringify(face.bbox),
  confidence: face.confidence,
  landmarks: JSON.stringify(face.landmarks),
  quality: face.quality.score,
  file_path: file,
});

async function storeFaces(
  db: Transaction<StoreTables>,
  entity: { readonly id: number; readonly sha256: string },
  found: readonly Found[],
  embeddingModel: string,
  now: number,
): Promise<string[]> {
  const before = await db.selectFrom('faces').selectAll().where('entity_id', '=', entity.id).execute();
  const left = new Set<FaceRow>(before);
  const freed: string[] = [];
  await db
    .deleteFrom('inferences')
    .where('entity_id', '=', entity.id)
    .where('task_type', '=', 'face_embedding')
    .execute();
  for (const one of found) {
    const same = [...left].find((row) => overlap(JSON.parse(row.bbox) as FaceBox, one.face.bbox) > SAME_FACE);
    if (same) {
      left.delete(same);
      if (same.file_path !== one.file) freed.push(same.file_path);
      await db.updateTable('faces').set(columnsOf(one)).where('id', '=', same.id).execute();
    }
    const id =
      same?.id ??
      (
        await db
          .insertInto('faces')
          .values({ ...columnsOf(one), entity_id: entity.id, sha256: entity.sha256, is_decided: 0, created_at: now })
          .returning('id')
          .executeTakeFirstOrThrow()
      ).id;
    if (one.file !== '')
      await db
        .insertInto('inferences')
        .values({
          entity_id: entity.id,
          task_type: 'face_embedding',
          subject: String(id),
          status: 'pending',
          model: embeddingModel,
          tries: 0,
          not_before: now,
        })
        .execute();
  }
  for (const gone of left) {
    await db
      .deleteFrom('vectors')
      .where('entity_id', '=', entity.id)
      .where('kind', '=', 'face')
      .where('subject', '=', gone.id)
      .execute();
    await db.deleteFrom('faces').where('id', '=', gone.id).execute();
    freed.push(gone.file_path);
  }
  return freed.filter((file) => file !== '');
}

export const collectFaces: Collect = async (job, { entity_id, sha256 }, context) => {
  const output = faceDetectionTask.output.parse(job.task_output);
  const found = await saveCrops(output.faces, job, entity_id, context);
  return {
    model: modelStamp(output),
    files: found.flatMap(({ file }) => (file === '' ? [] : [file])),
    store: (db, now) => storeFaces(db, { id: entity_id, sha256 }, found, context.models.of('face_embedding'), now),
  };
};
