/** Rows of the insights of entities. Times are milliseconds, booleans 0 or 1, JSON is text. */
import type { ColumnType, Generated, Selectable } from 'kysely';

/** One row for each entity that has insights. */
export interface InsightsTable {
  entity_id: number;
  /** Content that all insights are about. If the file is replaced, all of them are made again. */
  sha256: string;
  /** Version of the entity when it was last planned. */
  entity_version: number;
  status: 'queued' | 'processing' | 'completed' | 'failed';
  face_count: number | null;
  error_message: string | null;
  updated_at: number;
}
export type InsightRow = Selectable<InsightsTable>;

/** One insight of one entity, or of a face or frame of it. */
export interface InferencesTable {
  entity_id: number;
  /** Name of the insight. The column is older than the registry of insights: the names of both were equal then. */
  task_type: string;
  /** Empty, the id of a face, or the number of a frame. */
  subject: string;
  status: 'pending' | 'waiting' | 'processing' | 'completed' | 'failed';
  /** Model that it should be made with, as `modelStamp` writes it; empty if the insight has none. */
  model: string;
  job_id: string | null;
  /** Jobs made for it so far; part of their idempotency keys. */
  tries: number;
  /** The time before which a pending inference is not tried. */
  not_before: number;
  error_code: string | null;
  error_message: string | null;
  queued_at: number | null;
  started_at: number | null;
  completed_at: number | null;
}
export type InferenceRow = Selectable<InferencesTable>;

/** The value of an insight that has no table of its own. */
export interface InsightResultsTable {
  entity_id: number;
  insight: string;
  /** The same as in `inferences`. */
  subject: string;
  /** JSON. */
  value: string;
  updated_at: number;
}

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
  /** Relative to the media folder; empty if the face could not be cut out. */
  file_path: string;
  person_id: number | null;
  /** 1: a user said whose face it is (or that it is nobody's); the clustering never changes that. */
  is_decided: number;
  created_at: number;
}
export type FaceRow = Selectable<FacesTable>;

export interface PersonsTable {
  id: Generated<number>;
  name: string | null;
  is_hidden: number;
  /** 1: a user named, merged or split it, so it stays even without faces. */
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
  /** JSON: the rows that undoing it restores. */
  before: string;
  decided_at: number;
  decided_by: string | null;
  is_undone: number;
}
export type PersonDecisionRow = Selectable<PersonDecisionsTable>;

/** A vector never changes: a new one of the same subject is a new row with a larger id. */
export interface VectorsTable {
  id: Generated<number>;
  kind: string;
  model: string;
  entity_id: number;
  /** 0 for a picture, the number of a video's frame, a face's id. */
  subject: number;
  /** float32, little-endian, of length 1. */
  data: ColumnType<Buffer, Buffer, never>;
}

/** The signs of a vector's numbers, one bit each. A search compares them first. */
export interface VectorCodesTable {
  vector_id: number;
  kind: string;
  model: string;
  entity_id: number;
  subject: number;
  bits: ColumnType<Buffer, Buffer, never>;
}

/**
 * The model that searches use. The vectors of another model are computed in the background; it takes over when they are
 * complete.
 */
export interface VectorModelsTable {
  kind: string;
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
  /** 64 hexadecimal digits for a picture; null for frames, and for pictures that were hashed before this column existed. */
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

/** Leases on work that only one process at a time may do. */
export interface LeasesTable {
  name: string;
  holder: string;
  until: number;
}

export interface InsightTables {
  insights: InsightsTable;
  inferences: InferencesTable;
  insight_results: InsightResultsTable;
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
