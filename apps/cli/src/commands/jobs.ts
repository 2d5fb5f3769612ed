import path from 'node:path';
import type { Job, JobFilters } from '@cl-server/client';
import type { Command } from 'commander';
import { collectFailures } from '../collect-failures.js';
import { count, group, leafMaker } from '../command.js';
import type { Context } from '../context.js';
import { destination } from '../files/destination.js';
import { byteBar, bytesText, percentBar } from '../io/progress.js';
import { confirmed } from '../io/prompt.js';
import { seconds } from '../values.js';
import { JOB, timeText } from '../views.js';
import type { World } from '../world.js';

const jobsOf = async (context: Context) => (await context.platform()).compute.jobs;

interface ListOptions {
  readonly status?: JobFilters['status'];
  readonly task?: string;
  readonly user?: string;
  readonly text?: string;
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

async function list(context: Context, { status, task, user, text, limit = 50 }: ListOptions): Promise<void> {
  const filters = { status, task_type: task, created_by: user, q: text, limit: Math.min(500, Math.max(1, limit)) };
  await context.out.many(first((await jobsOf(context)).list(filters, context.call), limit), JOB);
}

async function watch(context: Context, ids: string[], { timeout }: { readonly timeout?: number }): Promise<void> {
  const jobs = await jobsOf(context);
  const failures = collectFailures(context, ids.length === 1);
  const ended = await Promise.all(
    ids.map((id) =>
      failures.guard(id, async () => {
        const bar = await percentBar(context.out, ids.length === 1 ? id : '');
        const handle = jobs.handle(id, {
          signal: context.signal,
          timeoutMs: timeout === undefined ? undefined : timeout * 1000,
          onProgress: ({ state, progress }) => {
            bar.update(progress, state);
            if (!context.out.interactive) context.out.note(`${id}: ${state} ${progress}%`);
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

/** Applies one operation to each of several jobs. */
async function each<T>(
  context: Context,
  ids: readonly string[],
  done: (result: T) => string,
  work: (id: string) => Promise<T>,
): Promise<void> {
  const failures = collectFailures(context, ids.length === 1);
  for (const id of ids)
    await failures.guard(id, async () => {
      const result = await work(id);
      if (result !== undefined && context.out.format !== 'human') await context.out.one(result, () => id);
      else context.out.success(`${done(result)} ${id}`);
    });
  failures.finish(ids.length);
}

/** Prints the history of a job as the server reports it. */
async function logs(context: Context, id: string): Promise<void> {
  const job = await (await jobsOf(context)).get(id, context.call);
  if (context.out.format !== 'human') return context.out.one(job, JOB.id);
  const steps: [number | null, string][] = [
    [job.created_at, `queued: ${job.task_type}, priority ${job.priority}`],
    [job.started_at, `started${job.retry_count > 0 ? `, try ${job.retry_count + 1} of ${job.max_retries + 1}` : ''}`],
    [
      job.completed_at,
      job.status === 'completed' ? 'completed' : `${job.error_code ?? 'failed'}: ${job.error_message}`,
    ],
  ];
  for (const [at, what] of steps) if (at !== null) context.out.write(`${timeText(at)}  ${what}\n`);
  if (job.completed_at === null) context.out.write(`${timeText(job.updated_at)}  ${job.status}, ${job.progress} %\n`);
}

async function download(context: Context, id: string, file: string, dest: string | undefined): Promise<void> {
  const jobs = await jobsOf(context);
  if (dest === '-') {
    await context.out.bytes(await jobs.bytes(id, file, context.call));
    return;
  }
  const bar = await byteBar(context.out, 1, file);
  try {
    const saved = await jobs.download(id, file, await destination(dest ?? '.', path.posix.basename(file)), {
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
    .option('--user <id>', 'only jobs of this user')
    .option('--text <text>', 'only jobs that contain this text')
    .option('-l, --limit <n>', 'number of jobs (default: 50)', count)
    .run(list);
  leaf('get <id>', 'Show one job').run(async (context, id) =>
    context.out.one(await (await jobsOf(context)).get(id, context.call), JOB.id),
  );
  leaf('watch <ids...>', 'Follow jobs until they end')
    .option('-t, --timeout <seconds>', 'maximum wait', seconds)
    .run(watch);
  leaf('cancel <ids...>', 'Cancel jobs').run(async (context, ids) => {
    const jobs = await jobsOf(context);
    await each(
      context,
      ids,
      (job: Job) => (job.error_code === 'cancelled' ? 'Cancelled' : `Already ${job.status}:`),
      (id) => jobs.cancel(id, context.call),
    );
  });
  leaf('retry <ids...>', 'Queue failed jobs again').run(async (context, ids) => {
    const jobs = await jobsOf(context);
    await each(
      context,
      ids,
      () => 'Queued again',
      (id) => jobs.retry(id, context.call),
    );
  });
  leaf('delete <ids...>', 'Delete jobs and their files')
    .option('-y, --yes', 'do not ask for confirmation')
    .run(async (context, ids, { yes = false }) => {
      await confirmed(world, `Delete ${ids.length} job(s) and their files?`, yes);
      const jobs = await jobsOf(context);
      await each(
        context,
        ids,
        () => 'Removed',
        (id) => jobs.delete(id, context.call),
      );
    });
  leaf('logs <id>', 'Show the history of a job').run(logs);
  leaf('download <id> <file> [dest]', 'Download a file of a job (- for standard output)').run(download);
  leafMaker(program, world)('download <id> <file> [dest]', 'Same as jobs download').run(download);
}
