/** Finds jobs by the beginning of their ids, and names them for people. */
import type { Job, JobsClient } from '@cl-server/client';
import type { Context } from './context.js';
import { CliError, EXIT } from './exit-codes.js';
import { fileOfJob, shortId, timeText } from './views.js';

/** The number of jobs among which the beginning of an id is looked for. */
const MAX_CANDIDATES = 1_000;
/** A shorter beginning would match too many jobs. */
const LEAST_PREFIX = 4;
const WHOLE_ID = 36;

/** Names a job in a message: `cf8703c6 (hash of cat.png)`. */
export function nameOfJob(job: Job): string {
  const file = fileOfJob(job);
  return `${shortId(job.job_id)} (${job.task_type}${file ? ` of ${file}` : ''})`;
}

/**
 * Returns the whole id of a job that was named by its id, or by the beginning of it.
 * @throws CliError if several jobs match
 */
export async function jobId(jobs: JobsClient, text: string, context: Context): Promise<string> {
  if (text.length >= WHOLE_ID) return text;
  if (text.length < LEAST_PREFIX || !/^[\da-f-]+$/i.test(text))
    throw new CliError(
      `${text} is not the id of a job`,
      EXIT.usage,
      `Give the id, or at least its first ${LEAST_PREFIX} characters: cl-client jobs list`,
    );
  const prefix = text.toLowerCase();
  const matches: Job[] = [];
  let seen = 0;
  for await (const job of jobs.list({ q: prefix, limit: 100 }, context.call)) {
    if (job.job_id.toLowerCase().startsWith(prefix)) matches.push(job);
    seen += 1;
    if (seen === MAX_CANDIDATES || matches.length > 5) break;
  }
  const [only, ...others] = matches;
  if (!only) throw new CliError(`No job has an id that begins with ${text}`, EXIT.notFound);
  if (others.length === 0) return only.job_id;
  const candidates = matches.map((job) => `${job.job_id} (${job.task_type}, ${timeText(job.created_at)})`);
  throw new CliError(`Several jobs begin with ${text}: ${candidates.join(', ')}`, EXIT.conflict, 'Give more of the id');
}
