import { z } from 'zod';
import { field } from '../http/field.js';
import { pictureError, taskContract } from './task.js';

const unit = z.number().min(0).max(1);
const point = z.tuple([unit, unit]);

/** Corners as fractions of the upright picture's width and height. */
export const faceBox = z.object({ x1: unit, y1: unit, x2: unit, y2: unit });
export type FaceBox = z.infer<typeof faceBox>;

/** Five points as fractions; right and left are the person's own. */
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
  /** 0 blurred … 1 sharp, of the aligned crop. */
  sharpness: unit,
  /** Estimates from the five points, in degrees: turned to its left, nodding down, tilted to its right are positive. */
  yaw: z.number(),
  pitch: z.number(),
  roll: z.number(),
  /** One figure from size, sharpness and pose, for choosing the best of several. */
  score: unit,
});
export type FaceQuality = z.infer<typeof faceQuality>;

/**
 * Confidence from which a face is listed, and from which it is certain. Measured: see the decision on doubtful faces.
 */
export const FACE_LISTED = 0.75;
export const FACE_CERTAIN = 0.8;

export const doubtful = z
  .boolean()
  .default(false)
  .describe(`Confidence below ${FACE_CERTAIN}: it is listed, but begins no person`);

export const detectedFace = z.object({
  bbox: faceBox,
  confidence: unit,
  landmarks: faceLandmarks,
  /** Aligned 112×112 crop, relative to the job: `faces/face_<i>.png`. Empty where the face could not be aligned. */
  file_path: z.string(),
  quality: faceQuality,
  doubtful,
});
export type DetectedFace = z.infer<typeof detectedFace>;

export const faceDetectionTask = taskContract({
  type: 'face_detection',
  summary: 'Faces of a picture: boxes, landmarks, quality and aligned crops',
  file: 'required',
  form: z.object({
    confidence_threshold: field.float({ ge: 0, le: 1 }).default(FACE_LISTED),
    nms_threshold: field.float({ ge: 0, le: 1 }).default(0.4),
    /** Shorter side in pixels below which a face is left out. */
    min_face_size: field.int({ ge: 8, le: 10_000 }).default(20),
  }),
  output: z.object({
    faces: z.array(detectedFace),
    num_faces: z.int(),
    /** Of the upright picture. */
    image_width: z.int(),
    image_height: z.int(),
    picture_error: pictureError,
    model_id: z.string(),
    model_version: z.string(),
    preprocessing_version: z.string(),
    execution_provider: z.string(),
  }),
});
