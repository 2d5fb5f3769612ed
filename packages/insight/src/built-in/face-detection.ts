/**
 * Faces become rows, and their crops become blobs beside the media. A face that was there before (the boxes overlap by
 * half) keeps its id, and with it the person that a user assigned to it.
 */
import type { BlobStore } from '@cl-server/blobs';
import { type DetectedFace, type FaceBox, faceDetectionTask } from '@cl-server/contract';
import type { Collect, CollectContext, Follower, JobResult } from '../collect-context.js';
import { cropKey } from '../crops.js';
import type { FaceRow } from '../database/tables.js';
import { defineInsight } from '../define.js';
import { deleteSubject } from '../inferences/delete-insights.js';
import { wholeFile } from '../inputs.js';
import type { InsightTransaction } from '../port.js';

export const FACE_DETECTION = 'face_detection';

/** Boxes that overlap by more than this are the same face. */
const SAME_FACE_OVERLAP = 0.5;

function overlap(a: FaceBox, b: FaceBox): number {
  const width = Math.min(a.x2, b.x2) - Math.max(a.x1, b.x1);
  const height = Math.min(a.y2, b.y2) - Math.max(a.y1, b.y1);
  if (width <= 0 || height <= 0) return 0;
  const area = (box: FaceBox): number => (box.x2 - box.x1) * (box.y2 - box.y1);
  return (width * height) / (area(a) + area(b) - width * height);
}

/** `.derived/faces/{entity}/{digest of the job}-{n}.png`: a name of its own for each try, so that none is overwritten. */
async function saveCrop(blobs: BlobStore, entityId: number, name: string, png: Buffer): Promise<string> {
  const key = cropKey(entityId, name);
  await blobs.put(key, png, { isDurable: false });
  return key;
}

interface Found {
  readonly face: DetectedFace;
  readonly file: string;
}

async function saveCrops(
  faces: readonly DetectedFace[],
  result: JobResult,
  entityId: number,
  { media }: CollectContext,
): Promise<Found[]> {
  const found: Found[] = [];
  for (const [index, face] of faces.entries()) {
    const crop = face.file_path === '' ? undefined : await result.readFile(face.file_path);
    const name = `${result.jobId.slice(0, 18)}-${index}.png`;
    found.push({ face, file: crop ? await saveCrop(media.blobs, entityId, name, crop) : '' });
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
  db: InsightTransaction,
  entity: { readonly id: number; readonly sha256: string },
  found: readonly Found[],
  followers: readonly Follower[],
  now: number,
): Promise<string[]> {
  const before = await db.selectFrom('faces').selectAll().where('entity_id', '=', entity.id).execute();
  const left = new Set<FaceRow>(before);
  const freed: string[] = [];
  for (const { name } of followers)
    await db.deleteFrom('inferences').where('entity_id', '=', entity.id).where('task_type', '=', name).execute();
  for (const one of found) {
    const same = [...left].find((row) => overlap(JSON.parse(row.bbox) as FaceBox, one.face.bbox) > SAME_FACE_OVERLAP);
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
    if (one.file === '') continue;
    for (const { name, model } of followers)
      await db
        .insertInto('inferences')
        .values({
          entity_id: entity.id,
          task_type: name,
          subject: String(id),
          status: 'pending',
          model,
          tries: 0,
          not_before: now,
        })
        .execute();
  }
  for (const gone of left) {
    await deleteSubject(db, { entityId: entity.id, subject: gone.id }, followers);
    await db.deleteFrom('faces').where('id', '=', gone.id).execute();
    freed.push(gone.file_path);
  }
  return freed.filter((file) => file !== '');
}

const collectFaces: Collect = async (result, { entityId, sha256 }, context) => {
  const { faces } = faceDetectionTask.output.parse(result.output);
  const found = await saveCrops(faces, result, entityId, context);
  return {
    files: found.flatMap(({ file }) => (file === '' ? [] : [file])),
    store: (db, now) => storeFaces(db, { id: entityId, sha256 }, found, context.followers, now),
  };
};

export const faceDetection = defineInsight({
  name: FACE_DETECTION,
  task: faceDetectionTask.type,
  model: 'face_detection',
  appliesTo: { image: wholeFile },
  collect: collectFaces,
});
