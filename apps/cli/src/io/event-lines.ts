/** Turns live events into lines for a person: one for each change, with the task, the file and the reason. */
import path from 'node:path';
import type { EntityEvent, Job, JobEvent, WorkerCapability } from '@cl-server/client';
import { headline } from '../tasks/headline.js';
import { fileOfJob, shortId, stateOf, timeText } from '../views.js';
import { oneLine } from './one-line.js';

/** The number of jobs whose states are remembered. */
const REMEMBERED = 10_000;

const joined = (parts: readonly (string | undefined)[]): string => parts.filter(Boolean).join('  ');

/** Drops repeated events of jobs: the server publishes the end of a short job twice, and progress many times. */
export class JobChanges {
  readonly #states = new Map<string, string>();

  /** Returns whether the event is a new state of its job. */
  isNew({ job_id, event_type }: JobEvent): boolean {
    if (this.#states.get(job_id) === event_type) return false;
    this.#states.delete(job_id);
    this.#states.set(job_id, event_type);
    const [oldest] = this.#states.keys();
    if (this.#states.size > REMEMBERED && oldest !== undefined) this.#states.delete(oldest);
    return true;
  }
}

/** @param job undefined if the job was deleted, or belongs to another user */
export function jobLine({ job_id, event_type, timestamp }: JobEvent, job: Job | undefined): string {
  const id = shortId(job_id);
  if (!job) return joined([timeText(timestamp), id, event_type]);
  const ended = event_type === 'completed' || event_type === 'failed';
  const state = ended ? stateOf(job) : event_type;
  const reason = event_type === 'completed' ? headline(job.task_type, job.task_output) : (job.error_message ?? '');
  const file = fileOfJob(job);
  return joined([
    timeText(timestamp),
    id,
    state.padEnd('processing'.length),
    job.task_type,
    file && oneLine(file),
    ended && state !== 'cancelled' ? oneLine(reason) : undefined,
  ]);
}

/** @param name the label of the entity; undefined if it is unknown or gone */
export const entityLine = ({ id, change, timestamp }: EntityEvent, name: string | undefined): string =>
  joined([
    timeText(timestamp),
    String(id),
    change.padEnd('restored'.length),
    name && oneLine(path.posix.basename(name)),
  ]);

/** Describes what changed about workers; their heartbeats are no change. */
export class WorkerChanges {
  readonly #known = new Map<string, string>();

  /** @returns the line, or undefined if nothing changed */
  line(id: string, worker: WorkerCapability | undefined, now: number): string | undefined {
    const unavailable = Object.entries(worker?.unavailable ?? {});
    const state = worker && JSON.stringify([[...worker.capabilities].sort(), unavailable]);
    if (this.#known.get(id) === state) return undefined;
    if (state === undefined) this.#known.delete(id);
    else this.#known.set(id, state);
    const missing = unavailable.map(([task]) => task).join(', ');
    const text = worker
      ? `online, runs ${worker.capabilities.length} task${worker.capabilities.length === 1 ? '' : 's'}${missing ? `; cannot run ${missing} (cl-client tasks says why)` : ''}`
      : 'offline';
    return joined([timeText(worker?.timestamp ?? now), id, oneLine(text)]);
  }
}
