/** Contract of the task `face_detection`, with the shapes of faces that other tasks use, too. */
import { z } from 'zod';
import { field } from '../http/field.js';
import { pictureError, taskContract } from './task.js';

const unit = z.number().min(0).max(1);
const point = z.tuple([unit, unit]);

/** Corners of a face as fractions of the upright picture's width and height. */
export const faceBox = z.object({ x1: unit, y1: unit, x2: unit, y2: unit });
export type FaceBox = z.infer<typeof faceBox>;

/** Five points as fractions; right and left are from the person's point of view. */
export const faceLandmarks = z.object({
  right_eye: point,
  left_eye: point,
  nose_tip: point,
  mouth_right: point,
  mouth_left: point,
});
export type FaceLandmarks = z.infer<typeof faceLandmarks>;

export const faceQuality = z.object({
  /** Shorter side of the box in pixels of the upright picture. */
  size: z.number(),
  /** Sharpness of the aligned crop, from 0 (blurred) to 1 (sharp). */
  sharpness: unit,
  /**
   * Angles in degrees, estimated from the five points. Turned to the person's left, nodding down and tilted to the
   * person's right are positive.
   */
  yaw: z.number(),
  pitch: z.number(),
  roll: z.number(),
  /** One number from size, sharpness and pose, for choosing the best of several faces. */
  score: unit,
});
export type FaceQuality = z.infer<typeof faceQuality>;

/** Minimum confidence of a listed face and of a certain face. Both are measured; see docs/adr on doubtful faces. */
export const FACE_LISTED = 0.75;
export const FACE_CERTAIN = 0.8;

export const doubtful = z
  .boolean()
  .default(false)
  .describe(`Confidence below ${FACE_CERTAIN}: the face is listed, but no person is made from it`);

export const detectedFace = z.object({
  bbox: faceBox,
  confidence: unit,
  landmarks: faceLandmarks,
  /**
   * Path of the aligned 112×112 crop, relative to the job: `faces/face_<i>.png`. Empty if the face could not be
   * aligned.
   */
  file_path: z.string(),
  quality: faceQuality,
  doubtful,
});
export type DetectedFace = z.infer<typeof detectedFace>;

export const faceDetectionTask = taskContract({
  type: 'face_detection',
  summary: 'Finds the faces of a picture: boxes, landmarks, quality and aligned crops',
  file: 'required',
  form: z.object({
    confidence_threshold: field.float({ ge: 0, le: 1 }).default(FACE_LISTED).describe('Minimum confidence of a face'),
    nms_threshold: field
      .float({ ge: 0, le: 1 })
      .default(0.4)
      .describe('Overlap from which two boxes count as the same face'),
    /** Faces whose shorter side has fewer pixels are left out. */
    min_face_size: field.int({ ge: 8, le: 10_000 }).default(20).describe('Minimum size of a face in pixels'),
  }),
  output: z.object({
    faces: z.array(detectedFace),
    num_faces: z.int(),
    /** Width and height of the upright picture. */
    image_width: z.int(),
    image_height: z.int(),
    picture_error: pictureError,
    model_id: z.string(),
    model_version: z.string(),
    preprocessing_version: z.string(),
    execution_provider: z.string(),
  }),
});
