/** The wire side of the tasks that turn a picture, a text or a face into a vector. */
import { z } from 'zod';
import { field } from '../http/field.js';
import { doubtful, FACE_LISTED, faceBox, faceLandmarks, faceQuality } from './face.js';
import { pictureError, taskContract } from './task.js';

/** Which model made a result; vectors of different models, or of different preprocessing, never compare. */
export const modelStamp = z.object({
  model_id: z.string(),
  model_version: z.string(),
  preprocessing_version: z.string(),
  /** Where it ran: cpu, cuda, coreml, … */
  execution_provider: z.string(),
});
export type ModelStamp = z.infer<typeof modelStamp>;

const normalize = field.bool().default(true);

const embeddingOutput = z.object({
  /** Numbers in the vector of `output_path`, a `.npy` (v1.0, `<f4`, C order, one dimension). */
  embedding_dim: z.int().positive(),
  /** Whether the vector has length 1. */
  normalized: z.boolean(),
  ...modelStamp.shape,
});

const pictureOutput = embeddingOutput.extend({ picture_error: pictureError });

export const clipEmbeddingTask = taskContract({
  type: 'clip_embedding',
  summary: 'CLIP vector of a picture',
  file: 'required',
  form: z.object({ normalize }),
  output: pictureOutput,
});

export const dinoEmbeddingTask = taskContract({
  type: 'dino_embedding',
  summary: 'DINOv2 vector of a picture',
  file: 'required',
  form: z.object({ normalize }),
  output: pictureOutput,
});

export const clipTextEmbeddingTask = taskContract({
  type: 'clip_text_embedding',
  summary: 'CLIP vector of a text, comparable with those of pictures',
  file: 'none',
  form: z.object({ text: field.text({ min: 1, max: 10_000 }), normalize }),
  output: embeddingOutput.extend({
    /** Tokens of the text, the two marks included. */
    tokens: z.int(),
    /** True where the text had more tokens than the model takes; the rest was not looked at. */
    truncated: z.boolean(),
    /** The vector itself, so that a search need not fetch a file. */
    embedding: z.array(z.number()),
  }),
});

/** One face of a whole photo, found, aligned and embedded. */
export const embeddedFace = z.object({
  bbox: faceBox,
  confidence: z.number().min(0).max(1),
  landmarks: faceLandmarks,
  quality: faceQuality,
  /** Aligned 112×112 crop. */
  file_path: z.string(),
  /** Its vector, as `.npy`. */
  embedding_path: z.string(),
  quality_score: z.number().min(0).max(1),
  doubtful,
});

export const faceEmbeddingTask = taskContract({
  type: 'face_embedding',
  summary: 'Vector of a face: of an aligned crop, or with detect=true of every face of a photo',
  file: 'required',
  form: z.object({
    normalize,
    /** False: the picture is an aligned crop. True: find, align and embed every face of it. */
    detect: field.bool().default(false),
    confidence_threshold: field.float({ ge: 0, le: 1 }).default(FACE_LISTED),
    nms_threshold: field.float({ ge: 0, le: 1 }).default(0.4),
    min_face_size: field.int({ ge: 8, le: 10_000 }).default(20),
  }),
  output: pictureOutput.extend({
    /** Quality of the only face, or of the best one; null where it could not be told. */
    quality_score: z.number().min(0).max(1).nullable(),
    /** With detect=true: all faces, best first. `output_path` then holds the best one's vector, if there is one. */
    faces: z.array(embeddedFace).optional(),
    num_faces: z.int().optional(),
  }),
});
