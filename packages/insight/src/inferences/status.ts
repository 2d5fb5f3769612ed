/**
 * The state of an inference, and of an entity as the sum of its inferences.
 *
 * ```
 *  waiting (for a model)
 *    ^ │ a worker has the model
 *    │ v       job queued            job completed, result stored
 * pending ─────────────> processing ─────────────> completed
 *    ^                        │                        │
 *    │ its time has come,     │ job failed             │ its model was replaced,
 *    │ a user asked, or       v                        │ or the entity's content
 *    └─────────────────────failed                      │
 *    ^                        │ job row lost           │
 *    └────────────────────────┴────────────────────────┘
 * ```
 *
 * An entity is `completed` when all its inferences are, `failed` when all have ended and one of them failed. Those that wait
 * for a model do not count: a client that waits for the end of an entity waits only for work that can be done.
 */
import { sql } from 'kysely';
import type { InferenceRow, InsightRow } from '../database/tables.js';

/** A status as a literal in a query: only then can the database use the partial index of that status. */
export const literal = (status: InferenceRow['status']) => sql.lit(status);

export function overallStatus(inferences: readonly Pick<InferenceRow, 'status'>[]): InsightRow['status'] {
  const states = new Set(inferences.map(({ status }) => status));
  states.delete('waiting');
  if (states.size === 0 || (states.size === 1 && states.has('completed'))) return 'completed';
  if (states.has('processing')) return 'processing';
  if (states.has('pending')) return states.size === 1 ? 'queued' : 'processing';
  return 'failed';
}

/** One sentence for clients that says what failed and why; null if nothing failed. */
export function failureText(
  inferences: readonly Pick<InferenceRow, 'status' | 'task_type' | 'error_message'>[],
): string | null {
  const failed = new Map<string, string>();
  for (const { status, task_type, error_message } of inferences)
    if (status === 'failed' && !failed.has(task_type)) failed.set(task_type, error_message ?? 'no reason was given');
  if (failed.size === 0) return null;
  return [...failed].map(([task, why]) => `${task}: ${why}`).join('; ');
}

/** Milliseconds to wait before a failed inference is tried again by itself; null: only on request, or when a model appears. */
export function retryDelay(errorCode: string | null, tries: number): number | null {
  switch (errorCode) {
    case 'invalid_input':
    case 'unsupported_media':
    case 'quarantined':
    case 'cancelled':
      return null;
    case 'model_missing':
    case 'model_unusable':
    case 'tool_missing':
      return 10 * 60_000;
    default:
      return tries >= 5 ? null : Math.min(60 * 60_000, 60_000 * 4 ** tries);
  }
}
