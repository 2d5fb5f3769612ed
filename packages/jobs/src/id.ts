import { randomUUID } from 'node:crypto';

/** A job's id: a random UUID, unguessable. */
export const newJobId = (): string => randomUUID();

const ID = /^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$/;

/** Whether a text can be a job's id, and so the name of its folder. */
export const isJobId = (text: string): boolean => ID.test(text);
