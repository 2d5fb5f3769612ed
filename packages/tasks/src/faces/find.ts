/**
 * Converts detected faces to the form that clients see: fractions of the upright picture, five named points, quality,
 * crop.
 */

import type { FaceBox, FaceLandmarks, FaceQuality } from '@cl-server/contract';
import { sharp } from '@cl-server/media';
import type { TaskFiles } from '@cl-server/task-kit';
import type { LoadedModel } from '../vision/load-model.js';
import { CROP } from './align.js';
import { alignedCrop } from './crop.js';
import { detectFaces, isCertain } from './detector.js';
import type { Pyramid } from './pyramid.js';
import { quality } from './quality.js';
import type { RawFace } from './yunet.js';

export interface FoundFace {
  readonly bbox: FaceBox;
  readonly confidence: number;
  readonly landmarks: FaceLandmarks;
  readonly quality: FaceQuality;
  readonly doubtful: boolean;
  /** RGB, 112×112; undefined if the face could not be aligned. */
  readonly crop: Uint8Array | undefined;
}

export interface FaceParams {
  readonly confidence_threshold: number;
  readonly nms_threshold: number;
  readonly min_face_size: number;
}

const clamp01 = (value: number): number => Math.min(1, Math.max(0, value));

function boxOf({ x, y, width, height }: RawFace, picture: Pyramid): FaceBox {
  return {
    x1: clamp01(x / picture.width),
    y1: clamp01(y / picture.height),
    x2: clamp01((x + width) / picture.width),
    y2: clamp01((y + height) / picture.height),
  };
}

function landmarksOf({ points }: RawFace, picture: Pyramid): FaceLandmarks {
  const at = (index: number): [number, number] => {
    const [x, y] = points[index] ?? [0, 0];
    return [clamp01(x / picture.width), clamp01(y / picture.height)];
  };
  return { right_eye: at(0), left_eye: at(1), nose_tip: at(2), mouth_right: at(3), mouth_left: at(4) };
}

/** Finds faces, the best first. A face that cannot be aligned has no crop: one bad face never fails the job. */
export async function findFaces(
  detector: LoadedModel,
  picture: Pyramid,
  params: FaceParams,
  onPass?: (done: number, of: number) => void,
): Promise<FoundFace[]> {
  const raw = await detectFaces(
    { session: detector.session, inputName: detector.input },
    picture,
    {
      confidence: params.confidence_threshold,
      nms: params.nms_threshold,
      minFaceSize: params.min_face_size,
    },
    onPass,
  );
  const faces: FoundFace[] = [];
  for (const face of raw) {
    const crop = await alignedCrop(picture, face);
    faces.push({
      bbox: boxOf(face, picture),
      confidence: clamp01(face.score),
      landmarks: landmarksOf(face, picture),
      quality: quality(face, crop),
      doubtful: !isCertain(face.score),
      crop,
    });
  }
  return faces;
}

/** Writes a crop as `faces/face_<index>.png`. @returns that path */
export async function saveCrop(files: TaskFiles, index: number, crop: Uint8Array): Promise<string> {
  const file = `faces/face_${index}.png`;
  const png = sharp(crop, { raw: { width: CROP, height: CROP, channels: 3 } }).png({ compressionLevel: 6 });
  await files.write(file, await png.toBuffer());
  return file;
}
