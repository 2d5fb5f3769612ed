/** What is known of an entity, as clients see it. */
import {
  type EntityJob,
  type EntityStatusEvent,
  FACE_CERTAIN,
  type Face,
  type FaceBox,
  type FaceLandmarks,
  type Intelligence,
} from '@cl-server/contract';
import type { FaceRow, InferenceRow, InsightRow } from '../database/insight-tables.js';

/** What of an entity's kind is never made says so, instead of waiting for ever. */
const NOT_APPLICABLE = 'not_applicable';
/** A word of its own, so that nobody waits for it. */
const WAITING = 'waiting_for_model';

const word = (status: InferenceRow['status']): string => (status === 'waiting' ? WAITING : status);

const statusOf = (rows: readonly InferenceRow[], task: string): string => {
  const states = rows.filter(({ task_type }) => task_type === task).map(({ status }) => status);
  if (states.length === 0) return NOT_APPLICABLE;
  for (const status of ['processing', 'pending', 'failed', 'waiting'] as const)
    if (states.includes(status))
      return status === 'pending' && states.includes('completed') ? 'processing' : word(status);
  return 'completed';
};

/** Why an entity, or a face of it, cannot be compared with others by the results of a task. */
export function notLookedFor(rows: readonly InferenceRow[], task: string): string {
  switch (statusOf(rows, task)) {
    case NOT_APPLICABLE:
      return `Nothing was looked for: ${task} is not made for this kind of entity`;
    case WAITING:
      return `Nothing was looked for: ${waitingNotice(rows.filter(({ task_type }) => task_type === task))}`;
    case 'failed':
      return `Nothing was looked for: ${task} failed for this entity; see its insight for the reason`;
    default:
      return `Nothing was looked for: ${task} of this entity is not done yet; ask again later`;
  }
}

/** One word for each face, in the order of the faces; null before they are known. */
const faceStates = (rows: readonly InferenceRow[]): string[] | null =>
  statusOf(rows, 'face_detection') === 'completed'
    ? rows
        .filter(({ task_type }) => task_type === 'face_embedding')
        .sort((a, b) => Number(a.subject) - Number(b.subject))
        .map(({ status }) => word(status))
    : null;

export const faceView = (row: FaceRow): Face => ({
  id: row.id,
  entity_id: row.entity_id,
  known_person_id: row.person_id,
  bbox: JSON.parse(row.bbox) as FaceBox,
  confidence: row.confidence,
  doubtful: row.confidence < FACE_CERTAIN,
  landmarks: JSON.parse(row.landmarks) as FaceLandmarks,
  file_path: row.file_path,
  created_at: row.created_at,
});

const WIRE_STATUS: Readonly<Record<InferenceRow['status'], string>> = {
  pending: 'queued',
  waiting: 'queued',
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

const hasJob = (row: InferenceRow): boolean => row.job_id !== null && row.status !== 'waiting';

/** One line that says what to do, if something waits for a model. */
export function waitingNotice(rows: readonly Pick<InferenceRow, 'status' | 'task_type'>[]): string | null {
  const tasks = [
    ...new Set(rows.filter(({ status }) => status === 'waiting').map(({ task_type }) => task_type)),
  ].sort();
  if (tasks.length === 0) return null;
  const waits = tasks.length === 1 ? 'waits for its model' : 'wait for their models';
  return `${tasks.join(', ')} ${waits}: an admin fetches missing models with "cl-server models pull"`;
}
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
    notice: waitingNotice(rows),
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
