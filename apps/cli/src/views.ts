/** How people see the objects that several commands list. */
import path from 'node:path';
import type { Entity, Face, Job, KnownPerson } from '@cl-server/client';
import { localMinute, localTime } from './io/fields.js';
import type { View } from './io/output.js';
import { bytesText } from './io/progress.js';

/** Formats a time to the second, in the time zone of this machine. */
export const timeText = (ms: number | null): string => (ms === null ? '' : localTime(ms));

/** Formats a time to the minute, for tables on a terminal. */
export const minuteText = (ms: number | null): string => (ms === null ? '' : localMinute(ms));

/** The beginning of a job's id, which is enough to name the job. */
export const shortId = (id: string): string => id.slice(0, 8);

/** The label of an entity, or the name of its file. */
export const labelOf = ({ label, file_name }: Entity): string => label ?? file_name ?? '';

/** Names an entity in a message: `27 IMG_0027.jpg`. */
export const nameOf = (entity: Entity): string => `${entity.id} ${labelOf(entity)}`.trimEnd();

/** Whether an entity, or a collection around it, is in the trash. */
const trashText = ({ is_deleted, is_indirectly_deleted }: Entity): string =>
  is_deleted ? 'in trash' : is_indirectly_deleted ? 'collection in trash' : '';

export const ENTITY: View<Entity> = {
  columns: [
    { title: 'ID', value: ({ id }) => id, whole: true },
    { title: 'Label', value: labelOf },
    { title: 'Type', value: ({ is_collection, mime_type }) => (is_collection ? 'collection' : mime_type) },
    { title: 'Size', value: ({ file_size }) => (file_size === null ? '' : bytesText(file_size)), whole: true },
    {
      title: 'Updated',
      value: ({ updated_date }) => timeText(updated_date),
      shown: ({ updated_date }) => minuteText(updated_date),
      whole: true,
    },
    { title: 'Trash', value: trashText },
  ],
  id: ({ id }) => id,
};

/** The name of the file that a job works on; empty if it has none. */
export const fileOfJob = ({ params }: Pick<Job, 'params'>): string =>
  typeof params.input_path === 'string' ? path.posix.basename(params.input_path) : '';

/** The state of a job. A cancelled job is a failed one with a reason. */
export const stateOf = ({ status, error_code }: Pick<Job, 'status' | 'error_code'>): string =>
  error_code === 'cancelled' ? 'cancelled' : status;

export const JOB: View<Job> = {
  columns: [
    { title: 'Job', value: ({ job_id }) => job_id, shown: ({ job_id }) => shortId(job_id), whole: true },
    { title: 'Task', value: ({ task_type }) => task_type },
    { title: 'File', value: fileOfJob },
    { title: 'Status', value: stateOf, whole: true },
    {
      title: '%',
      value: ({ progress }) => progress,
      shown: ({ status, progress }) => (status === 'processing' ? progress : ''),
      whole: true,
    },
    {
      title: 'Created',
      value: ({ created_at }) => timeText(created_at),
      shown: ({ created_at }) => minuteText(created_at),
      whole: true,
    },
    { title: 'Error', value: (job) => (stateOf(job) === 'cancelled' ? '' : job.error_message), below: true },
  ],
  id: ({ job_id }) => job_id,
};

export const FACE: View<Face> = {
  columns: [
    { title: 'Face', value: ({ id }) => id, whole: true },
    { title: 'Entity', value: ({ entity_id }) => entity_id },
    { title: 'Person', value: ({ known_person_id }) => known_person_id },
    { title: 'Confidence', value: ({ confidence }) => confidence.toFixed(2) },
  ],
  id: ({ id }) => id,
};

export const PERSON: View<KnownPerson> = {
  columns: [
    { title: 'ID', value: ({ id }) => id, whole: true },
    { title: 'Name', value: ({ name }) => name ?? '(no name)' },
    { title: 'Faces', value: ({ face_count }) => face_count },
    {
      title: 'Updated',
      value: ({ updated_at }) => timeText(updated_at),
      shown: ({ updated_at }) => minuteText(updated_at),
      whole: true,
    },
  ],
  id: ({ id }) => id,
};
