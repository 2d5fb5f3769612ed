import path from 'node:path';
import type { Job, JobFilters } from '@cl-server/client';
import type { Command } from 'commander';
import { collectFailures } from '../collect-failures.js';
import { count, group, leafMaker } from '../command.js';
import type { Context } from '../context.js';
import { type NameOfUser, userNames } from '../entities/user-names.js';
import { CliError, EXIT } from '../exit-codes.js';
import { destination, mayWrite, type OverwriteOptions } from '../files/destination.js';
import { byteBar, bytesText, percentBar } from '../io/progress.js';
import { confirmed } from '../io/prompt.js';
import { jobId, nameOfJob } from '../jobs.js';
import { moment } from '../moment.js';
import { forEach, wordsOf } from '../targets.js';
import { headline } from '../tasks/headline.js';
import { seconds } from '../values.js';
import { fileOfJob, JOB, shortId, stateOf, timeText } from '../views.js';
import type { World } from '../world.js';

const jobsOf = async (context: Context) => (await context.platform()).compute.jobs;

interface ListOptions {
  readonly status?: JobFilters['status'];
  readonly task?: string;
  readonly user?: string;
  readonly text?: string;
  readonly from?: string;
  readonly to?: string;
  readonly limit?: number;
}

async function* first<T>(items: AsyncIterable<T>, limit: number): AsyncGenerator<T> {
  let left = limit;
  if (left <= 0) return;
  for await (const item of items) {
    yield item;
    left -= 1;
    if (left === 0) return;
  }
}

/** Returns the id of a user that was named by id or name. */
async function userId(context: Context, who: string | undefined): Promise<string | undefined> {
  if (who === undefined || /^\d+$/.test(who)) return who;
  const user = await (await context.platform()).auth.users.find(who, context.call);
  if (!user) throw new CliError(`There is no user ${who}`, EXIT.notFound);
  return String(user.id);
}

/** Yields the jobs of a task. @throws CliError if there are none because the task does not exist */
async function* jobsOfTask(context: Context, jobs: AsyncIterable<Job>, task: string): AsyncGenerator<Job> {
  let isEmpty = true;
  for await (const job of jobs) {
    isEmpty = false;
    yield job;
  }
  const tasks = isEmpty ? await (await jobsOf(context)).tasks(context.call) : [];
  if (isEmpty && !tasks.some(({ task_type }) => task_type === task))
    throw new CliError(`The server has no task ${task}`, EXIT.usage, 'List the tasks with: cl-client tasks');
}

async function list(context: Context, { status, user, text, limit = 50, ...options }: ListOptions): Promise<void> {
  const task = options.task?.replaceAll('-', '_');
  const [after, until] = [moment('from', options.from), moment('to', options.to)];
  const filters = {
    status,
    task_type: task,
    created_by: await userId(context, user),
    q: text,
    created_after: after,
    created_before: until === undefined ? undefined : until + 1,
    limit: Math.min(500, Math.max(1, limit)),
  };
  const jobs = first((await jobsOf(context)).list(filters, context.call), limit);
  await context.out.many(task === undefined ? jobs : jobsOfTask(context, jobs, task), JOB);
}

/** Returns the whole ids of the jobs that were named; `-` stands for a list on standard input. */
async function jobIds(context: Context, words: readonly string[]): Promise<string[]> {
  const jobs = await jobsOf(context);
  const ids: string[] = [];
  for (const word of await wordsOf(words, context.world.stdin)) ids.push(await jobId(jobs, word, context));
  return [...new Set(ids)];
}

/** The fields of a job for a person: a cancelled job is shown as cancelled, and times by their names. */
async function show(context: Context, words: string[]): Promise<void> {
  const [jobs, ids] = [await jobsOf(context), await jobIds(context, words)];
  const [only] = ids;
  if (context.out.format !== 'human' || ids.length > 1 || only === undefined)
    return forEach(context, ids, (id) => jobs.get(id, context.call), { view: JOB });
  const job = await jobs.get(only, context.call);
  const named = await userNames(context);
  await context.out.one({ ...job, status: stateOf(job), created_by: named(job.created_by) || null });
}

async function watch(context: Context, words: string[], { timeout }: { readonly timeout?: number }): Promise<void> {
  const [jobs, ids] = [await jobsOf(context), await jobIds(context, words)];
  const failures = collectFailures(context, ids.length === 1);
  const ended = await Promise.all(
    ids.map((id) =>
      failures.guard(id, async () => {
        const bar = await percentBar(context.out, ids.length === 1 ? shortId(id) : '');
        const handle = jobs.handle(id, {
          signal: context.signal,
          timeoutMs: timeout === undefined ? undefined : timeout * 1000,
          onProgress: ({ state, progress }) => {
            bar.update(progress, state);
            if (!context.out.interactive) context.out.note(`${shortId(id)}: ${state} ${progress}%`);
          },
        });
        try {
          const job = await handle.settled();
          if (job.status !== 'completed') await handle.completed();
          return job;
        } finally {
          bar.stop();
        }
      }),
    ),
  );
  const jobsDone = ended.filter((job) => job !== undefined);
  if (ids.length === 1 && jobsDone[0]) await context.out.one(jobsDone[0], JOB.id);
  else await context.out.many(jobsDone, JOB);
  failures.finish(ids.length);
}

/**
 * Cancels jobs.
 * @throws CliError if one had ended already: its result stays as it is
 */
async function cancel(context: Context, words: string[]): Promise<void> {
  const [jobs, ids] = [await jobsOf(context), await jobIds(context, words)];
  let before = '';
  const work = async (id: string): Promise<Job> => {
    const job = await jobs.get(id, context.call);
    before = stateOf(job);
    const ended = job.status === 'completed' || job.status === 'failed';
    const after = ended ? job : await jobs.cancel(id, context.call);
    if (ended || after.status === 'completed')
      throw new CliError(`${nameOfJob(after)} has already ended: ${stateOf(after)}; nothing to cancel`, EXIT.conflict);
    return after;
  };
  await forEach(context, ids, work, {
    view: JOB,
    told: (job) =>
      before === 'processing' ? `Cancelling ${nameOfJob(job)} (it was running)` : `Cancelled ${nameOfJob(job)}`,
  });
}

async function remove(context: Context, words: string[], { yes = false }: { readonly yes?: boolean }): Promise<void> {
  const [jobs, ids] = [await jobsOf(context), await jobIds(context, words)];
  const [only] = ids;
  if (!yes) {
    const what =
      ids.length === 1 && only ? `job ${nameOfJob(await jobs.get(only, context.call))}` : `${ids.length} jobs`;
    await confirmed(context.world, `Delete ${what} with all files?`, false);
  }
  const work = async (id: string): Promise<{ readonly job_id: string; readonly deleted: true }> => {
    await jobs.delete(id, context.call);
    return { job_id: id, deleted: true };
  };
  await forEach(context, ids, work, {
    view: { columns: [], id: ({ job_id }) => job_id },
    told: ({ job_id }) => `Deleted ${shortId(job_id)}`,
  });
}

/** The messages that a task leaves in its output when it could do only a part. */
const remarksOf = ({ task_output }: Job): string[] =>
  Object.entries(task_output ?? {}).flatMap(([key, value]) =>
    /(_error|notice|warning)$/.test(key) && typeof value === 'string' && value !== ''
      ? [`${key.replaceAll('_', ' ')}: ${value}`]
      : [],
  );

/** Prints the history of a job as the server reports it. */
async function logs(context: Context, words: string[]): Promise<void> {
  const [jobs, ids] = [await jobsOf(context), await jobIds(context, words)];
  const [only] = ids;
  if (context.out.format !== 'human' || only === undefined)
    return forEach(context, ids, (id) => jobs.get(id, context.call), { view: JOB });
  const named = await userNames(context);
  const failures = collectFailures(context, ids.length === 1);
  for (const id of ids)
    await failures.guard(shortId(id), async () => {
      for (const line of historyOf(await jobs.get(id, context.call), named)) context.out.write(`${line}\n`);
    });
  failures.finish(ids.length);
}

function historyOf(job: Job, named: NameOfUser): string[] {
  const state = stateOf(job);
  const ended = job.completed_at !== null;
  const result = job.status === 'completed' ? headline(job.task_type, job.task_output) : (job.error_message ?? '');
  const seconds = ((job.completed_at ?? 0) - (job.started_at ?? job.completed_at ?? 0)) / 1000;
  const code = job.error_code !== null && state !== 'cancelled' ? ` (${job.error_code})` : '';
  const steps: [number | null, string][] = [
    [job.created_at, `queued by ${named(job.created_by) || 'a guest'}, priority ${job.priority}`],
    [
      job.started_at,
      `started${job.retry_count > 0 ? `, attempt ${job.retry_count + 1} of ${job.max_retries + 1}` : ''}`,
    ],
    ...(ended ? remarksOf(job).map((remark): [number | null, string] => [job.completed_at, remark]) : []),
    [
      job.completed_at,
      `${state}${code}${job.started_at !== null ? ` after ${seconds.toFixed(1)} s` : ''}${result ? `: ${result}` : ''}`,
    ],
    [ended ? null : job.updated_at, `${state}, ${job.progress}%`],
  ];
  const lines = steps.flatMap(([at, what]) => (at === null ? [] : [`${timeText(at)}  ${what}`]));
  return [`Job ${job.job_id}: ${job.task_type}${fileOfJob(job) ? ` of ${fileOfJob(job)}` : ''}`, ...lines];
}

async function download(
  context: Context,
  word: string,
  file: string,
  dest: string | undefined,
  options: OverwriteOptions,
): Promise<void> {
  const jobs = await jobsOf(context);
  const id = await jobId(jobs, word, context);
  if (dest === '-') return context.out.bytes(await jobs.bytes(id, file, context.call));
  const saveTo = await destination(dest ?? '.', path.posix.basename(file));
  await mayWrite(context, saveTo, options);
  const bar = await byteBar(context.out, 1, file);
  try {
    const saved = await jobs.download(id, file, saveTo, {
      signal: context.signal,
      onProgress: ({ loaded, total }) => {
        if (total !== undefined) bar.setTotal(total);
        bar.update(loaded);
      },
    });
    bar.stop();
    if (context.out.format === 'human') context.out.success(`${saved.path} (${bytesText(saved.size)})`);
    else await context.out.one(saved, () => saved.path);
  } finally {
    bar.stop();
  }
}

export function register(program: Command, world: World): void {
  const leaf = leafMaker(group(program, 'jobs', 'List, follow and manage jobs'), world);
  leaf('list', 'List jobs, newest first')
    .choice('--status <status>', 'only jobs in this state', [
      'queued',
      'processing',
      'completed',
      'failed',
      'cancelled',
    ])
    .option('--task <type>', 'only jobs of this task')
    .option('--user <id|name>', 'only jobs of this user')
    .option('--text <text>', 'only jobs that contain this text')
    .option('--from <date>', 'created on or after: 2026-01-31, yesterday, or 7d for the last 7 days')
    .option('--to <date>', 'created on or before')
    .option('-l, --limit <n>', 'number of jobs (default: 50)', count)
    .run(list);
  leaf('get <ids...>', 'Show jobs; the first digits of an id are enough').run(show);
  leaf('watch <ids...>', 'Follow jobs until they end')
    .option('-t, --timeout <time>', 'maximum wait, e.g. 90 or 5m', seconds)
    .run(watch);
  leaf('cancel <ids...>', 'Cancel jobs that have not ended').run(cancel);
  leaf('retry <ids...>', 'Queue failed jobs again').run(async (context, words) => {
    const [jobs, ids] = [await jobsOf(context), await jobIds(context, words)];
    const told = (job: Job): string => `Queued again: ${nameOfJob(job)}`;
    await forEach(context, ids, (id) => jobs.retry(id, context.call), { view: JOB, told });
  });
  leaf('delete <ids...>', 'Delete jobs and their files').option('-y, --yes', 'do not ask for confirmation').run(remove);
  leaf('logs <ids...>', 'Show the history of jobs').run(logs);
  leaf('download <id> <file> [dest]', 'Download a file of a job (- for standard output)')
    .option('--overwrite', 'replace the file if it exists')
    .run(download);
  leafMaker(program, world)('download <id> <file> [dest]', 'Same as jobs download')
    .option('--overwrite', 'replace the file if it exists')
    .deprecated()
    .run(download);
}
