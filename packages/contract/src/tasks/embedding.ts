/** Contracts of the tasks that turn a picture, a text or a face into a vector. */
import { z } from 'zod';
import { field } from '../http/field.js';
import { doubtful, FACE_LISTED, faceBox, faceLandmarks, faceQuality } from './face.js';
import { pictureError, taskContract } from './task.js';

/** The model that made a result. Vectors of different models, or of different preprocessing, are never compared. */
export const modelStamp = z.object({
  model_id: z.string(),
  model_version: z.string(),
  preprocessing_version: z.string(),
  /** The hardware or library that ran the model: cpu, cuda, coreml, … */
  execution_provider: z.string(),
});
export type ModelStamp = z.infer<typeof modelStamp>;

const normalize = field.bool().default(true).describe('Scale the vector to length 1');

const embeddingOutput = z.object({
  /** Length of the vector in `output_path`, a `.npy` file (v1.0, `<f4`, C order, one dimension). */
  embedding_dim: z.int().positive(),
  /** Whether the vector has length 1. */
  normalized: z.boolean(),
  ...modelStamp.shape,
});

const pictureOutput = embeddingOutput.extend({ picture_error: pictureError });

export const clipEmbeddingTask = taskContract({
  type: 'clip_embedding',
  summary: 'Computes the CLIP vector of a picture',
  file: 'required',
  form: z.object({ normalize }),
  output: pictureOutput,
});

export const dinoEmbeddingTask = taskContract({
  type: 'dino_embedding',
  summary: 'Computes the DINOv2 vector of a picture',
  file: 'required',
  form: z.object({ normalize }),
  output: pictureOutput,
});

export const clipTextEmbeddingTask = taskContract({
  type: 'clip_text_embedding',
  summary: 'Computes the CLIP vector of a text, which is comparable with vectors of pictures',
  file: 'none',
  form: z.object({
    text: field.text({ min: 1, max: 10_000 }).describe('The text to embed').meta({ example: 'a dog on the beach' }),
    normalize,
  }),
  output: embeddingOutput.extend({
    /** Number of tokens of the text, including the start and end marks. */
    tokens: z.int(),
    /** True if the text had more tokens than the model takes; the rest was ignored. */
    truncated: z.boolean(),
    /** The vector itself, so that a search need not download a file. */
    embedding: z.array(z.number()),
  }),
});

/** One face of a whole photo: detected, aligned and embedded. */
export const embeddedFace = z.object({
  bbox: faceBox,
  confidence: z.number().min(0).max(1),
  landmarks: faceLandmarks,
  quality: faceQuality,
  /** Path of the aligned 112×112 crop. */
  file_path: z.string(),
  /** Path of the vector, a `.npy` file. */
  embedding_path: z.string(),
  quality_score: z.number().min(0).max(1),
  doubtful,
});

export const faceEmbeddingTask = taskContract({
  type: 'face_embedding',
  summary: 'Computes the vector of an aligned face crop, or with detect=true the vectors of all faces of a photo',
  file: 'required',
  form: z.object({
    normalize,
    /** False if the picture is an aligned crop; true to find, align and embed every face of it. */
    detect: field
      .bool()
      .default(false)
      .describe('Find the faces of a photo first; otherwise the file is one aligned face'),
    confidence_threshold: field.float({ ge: 0, le: 1 }).default(FACE_LISTED).describe('Minimum confidence of a face'),
    nms_threshold: field
      .float({ ge: 0, le: 1 })
      .default(0.4)
      .describe('Overlap from which two boxes count as the same face'),
    min_face_size: field.int({ ge: 8, le: 10_000 }).default(20).describe('Minimum size of a face in pixels'),
  }),
  output: pictureOutput.extend({
    /** Quality of the only face or of the best one; null if it is unknown. */
    quality_score: z.number().min(0).max(1).nullable(),
    /**
     * All faces if detect=true, the best first. `output_path` then holds the vector of the best one, if there is one.
     */
    faces: z.array(embeddedFace).optional(),
    num_faces: z.int().optional(),
  }),
});
