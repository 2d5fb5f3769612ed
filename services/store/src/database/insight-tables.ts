/** Rows of what is known of entities beyond their files. Times are milliseconds, booleans 0 or 1, JSON is text. */
import type { ColumnType, Generated, Selectable } from 'kysely';

/** One row per entity that the insight worker looks after. */
export interface InsightsTable {
  entity_id: number;
  /** Content that all of it is about; another content makes everything anew. */
  sha256: string;
  /** Of the entity when it was last looked at. */
  entity_version: number;
  status: 'queued' | 'processing' | 'completed' | 'failed';
  face_count: number | null;
  error_message: string | null;
  updated_at: number;
}
export type InsightRow = Selectable<InsightsTable>;

/** One thing to be found out of one entity: a task, and where there are several of it, which (a face, a frame). */
export interface InferencesTable {
  entity_id: number;
  task_type: string;
  /** Empty; a face's id; a frame's number. */
  subject: string;
  status: 'pending' | 'waiting' | 'processing' | 'completed' | 'failed';
  /** Model that it is to be made with, as `modelStamp` writes it; empty where a task has none. */
  model: string;
  job_id: string | null;
  /** Jobs made for it so far; part of their idempotency keys. */
  tries: number;
  /** While pending: not before. */
  not_before: number;
  error_code: string | null;
  error_message: string | null;
  queued_at: number | null;
  started_at: number | null;
  completed_at: number | null;
}
export type InferenceRow = Selectable<InferencesTable>;

export interface FacesTable {
  id: Generated<number>;
  entity_id: number;
  sha256: string;
  /** JSON: corners as fractions. */
  bbox: string;
  confidence: number;
  /** JSON: five named points as fractions. */
  landmarks: string;
  /** 0 to 1. */
  quality: number;
  /** Relative to the media folder; empty where the face could not be cut out. */
  file_path: string;
  person_id: number | null;
  /** 1: a person said whose it is (or that it is nobody's); the clustering never changes that. */
  is_decided: number;
  created_at: number;
}
export type FaceRow = Selectable<FacesTable>;

export interface PersonsTable {
  id: Generated<number>;
  name: string | null;
  is_hidden: number;
  /** 1: somebody named, merged or split it, so it stays even without faces. */
  is_decided: number;
  created_at: number;
  updated_at: number;
}
export type PersonRow = Selectable<PersonsTable>;

export interface PersonDecisionsTable {
  id: Generated<number>;
  kind: 'name' | 'hide' | 'merge' | 'split' | 'move';
  person_id: number | null;
  /** JSON: ids of the faces that it was about. */
  face_ids: string;
  /** JSON: what undoing it restores. */
  before: string;
  decided_at: number;
  decided_by: string | null;
  is_undone: number;
}
export type PersonDecisionRow = Selectable<PersonDecisionsTable>;

export type VectorKind = 'clip' | 'dino' | 'face';

/** A vector never changes: a new one of the same subject is a new row with a larger id. */
export interface VectorsTable {
  id: Generated<number>;
  kind: VectorKind;
  model: string;
  entity_id: number;
  /** 0 for a picture, the number of a video's frame, a face's id. */
  subject: number;
  /** float32, little-endian, of length 1. */
  data: ColumnType<Buffer, Buffer, never>;
}

/** The signs of a vector's numbers, one bit each: what a search looks at first. */
export interface VectorCodesTable {
  vector_id: number;
  kind: VectorKind;
  model: string;
  entity_id: number;
  subject: number;
  bits: ColumnType<Buffer, Buffer, never>;
}

/** Which model answers searches; another is made ready behind and takes over when it is complete. */
export interface VectorModelsTable {
  kind: VectorKind;
  model: string;
  dimension: number;
  updated_at: number;
}

/** Never changes: a new one of the same frame is a new row with a larger id. */
export interface PerceptualHashesTable {
  id: Generated<number>;
  entity_id: number;
  /** 0 for a picture, the number of a video's frame. */
  frame: number;
  /** 16 hexadecimal digits. */
  phash: string;
  /** 64 hexadecimal digits. Of a picture; null for frames, and for what was hashed before it was kept. */
  pdq: string | null;
  /** 0 to 100. */
  pdq_quality: number | null;
  /** 0 to 1. */
  flat_share: number | null;
  /** Mean colours of 8 × 8 cells, 384 hexadecimal digits. */
  layout: string | null;
  /** 1: its near duplicates are known. */
  is_paired: Generated<number>;
}

/** Two pictures of which one is nearly the other; the smaller id first. */
export interface NearDuplicatesTable {
  entity_id: number;
  other_id: number;
  /** Bits of 64 in which their pHashes differ. */
  distance: number;
}

/** Who may do a thing that only one process at a time may do. */
export interface LeasesTable {
  name: string;
  holder: string;
  until: number;
}

export interface InsightTables {
  insights: InsightsTable;
  inferences: InferencesTable;
  faces: FacesTable;
  persons: PersonsTable;
  person_decisions: PersonDecisionsTable;
  vectors: VectorsTable;
  vector_codes: VectorCodesTable;
  vector_models: VectorModelsTable;
  perceptual_hashes: PerceptualHashesTable;
  near_duplicates: NearDuplicatesTable;
  leases: LeasesTable;
}
