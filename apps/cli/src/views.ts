/** How people see the objects that several commands list. */
import type { Entity, Face, Job, KnownPerson } from '@cl-server/client';
import { localTime } from './io/fields.js';
import type { View } from './io/output.js';
import { bytesText } from './io/progress.js';

/** Formats a time to the second, in the time zone of this machine. */
export const timeText = (ms: number | null): string => (ms === null ? '' : localTime(ms));

export const ENTITY: View<Entity> = {
  columns: [
    { title: 'ID', value: ({ id }) => id },
    { title: 'Label', value: ({ label, file_name }) => label ?? file_name },
    { title: 'Type', value: ({ is_collection, mime_type }) => (is_collection ? 'collection' : mime_type) },
    { title: 'Size', value: ({ file_size }) => (file_size === null ? '' : bytesText(file_size)) },
    { title: 'Updated', value: ({ updated_date }) => timeText(updated_date) },
    { title: '', value: ({ is_deleted }) => (is_deleted ? 'deleted' : '') },
  ],
  id: ({ id }) => id,
};

export const JOB: View<Job> = {
  columns: [
    { title: 'Job', value: ({ job_id }) => job_id },
    { title: 'Task', value: ({ task_type }) => task_type },
    { title: 'Status', value: ({ status, error_code }) => (error_code === 'cancelled' ? 'cancelled' : status) },
    { title: '%', value: ({ progress }) => progress },
    { title: 'Created', value: ({ created_at }) => timeText(created_at) },
    { title: 'Error', value: ({ error_message }) => error_message },
  ],
  id: ({ job_id }) => job_id,
};

export const FACE: View<Face> = {
  columns: [
    { title: 'Face', value: ({ id }) => id },
    { title: 'Entity', value: ({ entity_id }) => entity_id },
    { title: 'Person', value: ({ known_person_id }) => known_person_id },
    { title: 'Confidence', value: ({ confidence }) => confidence.toFixed(2) },
  ],
  id: ({ id }) => id,
};

export const PERSON: View<KnownPerson> = {
  columns: [
    { title: 'ID', value: ({ id }) => id },
    { title: 'Name', value: ({ name }) => name ?? '(no name)' },
    { title: 'Faces', value: ({ face_count }) => face_count },
    { title: 'Updated', value: ({ updated_at }) => timeText(updated_at) },
  ],
  id: ({ id }) => id,
};
