/** What is known of an entity, as clients see it. */
import type { EntityJob, EntityStatusEvent, Face, FaceBox, FaceLandmarks, Intelligence } from '@cl-server/contract';
import type { FaceRow, InferenceRow, InsightRow } from '../database/insight-tables.js';

/** What of an entity's kind is never made says so, instead of waiting for ever. */
const NOT_APPLICABLE = 'not_applicable';

const statusOf = (rows: readonly InferenceRow[], task: string): string => {
  const states = rows.filter(({ task_type }) => task_type === task).map(({ status }) => status);
  if (states.length === 0) return NOT_APPLICABLE;
  for (const status of ['processing', 'pending', 'failed'] as const)
    if (states.includes(status)) return status === 'pending' && states.includes('completed') ? 'processing' : status;
  return 'completed';
};

/** One word for each face, in the order of the faces; null before they are known. */
const faceStates = (rows: readonly InferenceRow[]): string[] | null =>
  statusOf(rows, 'face_detection') === 'completed'
    ? rows
        .filter(({ task_type }) => task_type === 'face_embedding')
        .sort((a, b) => Number(a.subject) - Number(b.subject))
        .map(({ status }) => status)
    : null;

export const faceView = (row: FaceRow): Face => ({
  id: row.id,
  entity_id: row.entity_id,
  known_person_id: row.person_id,
  bbox: JSON.parse(row.bbox) as FaceBox,
  confidence: row.confidence,
  landmarks: JSON.parse(row.landmarks) as FaceLandmarks,
  file_path: row.file_path,
  created_at: row.created_at,
});

const WIRE_STATUS: Readonly<Record<InferenceRow['status'], string>> = {
  pending: 'queued',
  processing: 'processing',
  completed: 'completed',
  failed: 'failed',
};

export const jobView = (row: InferenceRow): EntityJob => ({
  job_id: row.job_id ?? '',
  task_type: row.task_type,
  started_at: row.started_at ?? row.queued_at ?? 0,
  status: WIRE_STATUS[row.status],
  progress: row.status === 'completed' ? 100 : 0,
  completed_at: row.completed_at,
  error_message: row.error_message,
});

const hasJob = (row: InferenceRow): boolean => row.job_id !== null;
const byStart = (a: EntityJob, b: EntityJob): number => a.started_at - b.started_at;

/** The running ones, then the ended ones. */
export function jobsView(rows: readonly InferenceRow[]): EntityJob[] {
  const jobs = rows.filter(hasJob).map(jobView).sort(byStart);
  const running = jobs.filter(({ status }) => status === 'queued' || status === 'processing');
  return [...running, ...jobs.filter((job) => !running.includes(job))];
}

export function intelligenceView(insight: InsightRow, rows: readonly InferenceRow[], md5: string | null): Intelligence {
  const jobs = jobsView(rows);
  const ended = (status: string): boolean => status === 'completed' || status === 'failed';
  return {
    overall_status: insight.status,
    last_processed_md5: ended(insight.status) ? md5 : null,
    last_processed_version: ended(insight.status) ? insight.entity_version : null,
    face_count: insight.face_count,
    active_processing_md5: md5,
    active_jobs: jobs.filter(({ status }) => !ended(status)),
    job_history: jobs.filter(({ status }) => ended(status)),
    inference_status: {
      hash: statusOf(rows, 'hash'),
      media_thumbnail: statusOf(rows, 'media_thumbnail'),
      face_detection: statusOf(rows, 'face_detection'),
      clip_embedding: statusOf(rows, 'clip_embedding'),
      dino_embedding: statusOf(rows, 'dino_embedding'),
      hls_streaming: statusOf(rows, 'hls_streaming'),
      face_embeddings: faceStates(rows),
    },
    last_updated: insight.updated_at,
    error_message: insight.error_message,
  };
}

export function statusEvent(insight: InsightRow, rows: readonly InferenceRow[], now: number): EntityStatusEvent {
  return {
    entity_id: insight.entity_id,
    status: insight.status,
    timestamp: now,
    face_detection: statusOf(rows, 'face_detection'),
    face_count: insight.face_count,
    clip_embedding: statusOf(rows, 'clip_embedding'),
    dino_embedding: statusOf(rows, 'dino_embedding'),
    face_embeddings: faceStates(rows),
    hash: statusOf(rows, 'hash'),
    media_thumbnail: statusOf(rows, 'media_thumbnail'),
  };
}
