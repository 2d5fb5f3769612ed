import type { JobStatus } from '@cl-server/contract';

/** A status change or a progress that is in the database now, for the publisher. */
export interface Committed {
  readonly job_id: string;
  readonly event: JobStatus | 'deleted';
  readonly progress: number;
  readonly at: number;
  /** When the job was created. */
  readonly createdAt: number;
  /** Its outbox row; null for progress, and where there is no broker. */
  readonly outboxSeq: number | null;
  /** The status is as before. */
  readonly isProgress?: true;
}

export interface CommitListener {
  committed(changes: readonly Committed[]): void;
}
