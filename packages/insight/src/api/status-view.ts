/** The insights of an entity in the form that clients receive. */
import {
  type EntityJob,
  type EntityStatusEvent,
  entityStatusEvent,
  FACE_CERTAIN,
  type Face,
  type FaceBox,
  type FaceLandmarks,
  type Intelligence,
  inferenceStatus,
} from '@cl-server/contract';
import type { FaceRow, InferenceRow, InsightRow } from '../database/tables.js';
import { missingModels } from '../missing-models.js';
import { type InsightRegistry, statusKeyOf } from '../registry.js';

/** Insights that do not apply to the type of an entity are reported like this, not as `pending`. */
const NOT_APPLICABLE = 'not_applicable';
/** Different from `pending`, so that no client waits for it. */
const WAITING = 'waiting_for_model';

const word = (status: InferenceRow['status']): string => (status === 'waiting' ? WAITING : status);

const statusOf = (rows: readonly InferenceRow[], insight: string): string => {
  const states = rows.filter(({ task_type }) => task_type === insight).map(({ status }) => status);
  if (states.length === 0) return NOT_APPLICABLE;
  for (const status of ['processing', 'pending', 'failed', 'waiting'] as const)
    if (states.includes(status))
      return status === 'pending' && states.includes('completed') ? 'processing' : word(status);
  return 'completed';
};

/** The reason why an entity, or a face of it, cannot be compared with others by an insight. */
export function notLookedFor(rows: readonly InferenceRow[], insight: string): string {
  switch (statusOf(rows, insight)) {
    case NOT_APPLICABLE:
      return `Nothing was looked for: ${insight} is not made for this kind of entity`;
    case WAITING:
      return `Nothing was looked for: ${waitingNotice(rows.filter(({ task_type }) => task_type === insight))}`;
    case 'failed':
      return `Nothing was looked for: ${insight} failed for this entity; see its insight for the reason`;
    default:
      return `Nothing was looked for: ${insight} of this entity is not done yet; ask again later`;
  }
}

/** One state for each subject that another insight found, in their order; null before they are known. */
const subjectStates = (rows: readonly InferenceRow[], name: string, follows: string): string[] | null =>
  statusOf(rows, follows) === 'completed'
    ? rows
        .filter(({ task_type }) => task_type === name)
        .sort((a, b) => Number(a.subject) - Number(b.subject))
        .map(({ status }) => word(status))
    : null;

/** The state of each insight, by its status key. */
const statusesOf = (
  rows: readonly InferenceRow[],
  insights: InsightRegistry,
): Record<string, string | string[] | null> =>
  Object.fromEntries(
    [...insights].map((insight) => [
      statusKeyOf(insight),
      insight.follows === undefined ? statusOf(rows, insight.name) : subjectStates(rows, insight.name, insight.follows),
    ]),
  );

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

const jobView = (row: InferenceRow, insights: InsightRegistry): EntityJob => ({
  job_id: row.job_id ?? '',
  task_type: insights.get(row.task_type)?.task ?? row.task_type,
  started_at: row.started_at ?? row.queued_at ?? 0,
  status: WIRE_STATUS[row.status],
  progress: row.status === 'completed' ? 100 : 0,
  completed_at: row.completed_at,
  error_message: row.error_message,
});

const hasJob = (row: InferenceRow): boolean => row.job_id !== null && row.status !== 'waiting';

/** One sentence that says what to do if insights wait for their models; null if none does. */
export function waitingNotice(rows: readonly Pick<InferenceRow, 'status' | 'task_type'>[]): string | null {
  const tasks = [
    ...new Set(rows.filter(({ status }) => status === 'waiting').map(({ task_type }) => task_type)),
  ].sort();
  return tasks.length === 0 ? null : missingModels(tasks);
}
const byStart = (a: EntityJob, b: EntityJob): number => a.started_at - b.started_at;

/** The queued and running jobs, then the ended ones. */
export function jobsView(rows: readonly InferenceRow[], insights: InsightRegistry): EntityJob[] {
  const jobs = rows
    .filter(hasJob)
    .map((row) => jobView(row, insights))
    .sort(byStart);
  const running = jobs.filter(({ status }) => status === 'queued' || status === 'processing');
  return [...running, ...jobs.filter((job) => !running.includes(job))];
}

export interface EntityInsights {
  readonly insight: InsightRow;
  readonly rows: readonly InferenceRow[];
  readonly md5: string | null;
  /** State of the HLS streams: they are made on request and belong to no insight. */
  readonly hlsStreaming: string;
}

export function intelligenceView(
  { insight, rows, md5, hlsStreaming }: EntityInsights,
  insights: InsightRegistry,
): Intelligence {
  const jobs = jobsView(rows, insights);
  const ended = (status: string): boolean => status === 'completed' || status === 'failed';
  return {
    overall_status: insight.status,
    last_processed_md5: ended(insight.status) ? md5 : null,
    last_processed_version: ended(insight.status) ? insight.entity_version : null,
    face_count: insight.face_count,
    active_processing_md5: md5,
    active_jobs: jobs.filter(({ status }) => !ended(status)),
    job_history: jobs.filter(({ status }) => ended(status)),
    inference_status: inferenceStatus.parse({ ...statusesOf(rows, insights), hls_streaming: hlsStreaming }),
    last_updated: insight.updated_at,
    error_message: insight.error_message,
    notice: waitingNotice(rows),
  };
}

export function statusEvent(
  insight: InsightRow,
  rows: readonly InferenceRow[],
  { insights, now }: { readonly insights: InsightRegistry; readonly now: number },
): EntityStatusEvent {
  return entityStatusEvent.parse({
    ...statusesOf(rows, insights),
    entity_id: insight.entity_id,
    status: insight.status,
    timestamp: now,
    face_count: insight.face_count,
  });
}
