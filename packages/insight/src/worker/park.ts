/**
 * Moves inferences between `pending` and `waiting` as models appear and disappear, and those whose program is missing to
 * `failed`: no job is made that no worker can run.
 */

import type { InferenceRow } from '../database/tables.js';
import { changeSlice, type Db } from '../inferences/change-slice.js';
import { literal } from '../inferences/status.js';
import type { InsightDatabase, RunWrite } from '../port.js';
import type { Runnable } from './runnable.js';

/** Rows changed in one transaction. */
const BATCH_SIZE = 200;
/** Long, because it is retried at once when a worker has the program. */
const TOOL_RETRY_MS = 10 * 60_000;

type Move = {
  readonly from: 'pending' | 'waiting' | 'failed';
  readonly insights: readonly string[];
  readonly codes?: readonly string[];
};

/** Codes of failures because of a missing model. */
const WITHOUT_MODEL = ['model_missing', 'model_unusable'];

function rowsOf(db: Db, { from, insights, codes }: Move) {
  let query = db
    .selectFrom('inferences')
    .select(['entity_id', 'task_type', 'subject'])
    .where('status', '=', literal(from))
    .where('task_type', 'in', [...insights])
    .limit(BATCH_SIZE);
  // A row without a next try has failed for good; the index leaves these out, however many there are.
  if (codes) query = query.where('not_before', '<', Number.MAX_SAFE_INTEGER).where('error_code', 'in', [...codes]);
  return query;
}

const move = async (
  db: InsightDatabase,
  write: RunWrite,
  which: Move,
  values: (insight: string, now: number) => Partial<InferenceRow>,
): Promise<number[]> => (which.insights.length === 0 ? [] : changeSlice(db, write, (on) => rowsOf(on, which), values));

/** Carries out one batch of each move. @returns entities whose inferences changed */
export async function park(
  db: InsightDatabase,
  write: RunWrite,
  { able, withoutModel, withoutTool }: Runnable,
): Promise<number[]> {
  const waiting = { status: 'waiting' as const, error_code: null, error_message: null };
  const lacking = [...withoutModel];
  return [
    ...(await move(db, write, { from: 'pending', insights: lacking }, () => waiting)),
    ...(await move(db, write, { from: 'failed', insights: lacking, codes: WITHOUT_MODEL }, () => waiting)),
    ...(await move(db, write, { from: 'waiting', insights: [...able] }, (_insight, now) => ({
      status: 'pending',
      not_before: now,
      tries: 0,
    }))),
    ...(await move(db, write, { from: 'pending', insights: [...withoutTool.keys()] }, (insight, now) => ({
      status: 'failed',
      error_code: 'tool_missing',
      error_message: withoutTool.get(insight) ?? 'a program is missing',
      completed_at: now,
      not_before: now + TOOL_RETRY_MS,
    }))),
  ];
}
