import path from 'node:path';
import type { ClServer, Job } from '@cl-server/client';
import { collectFailures } from '../collect-failures.js';
import type { Context } from '../context.js';
import { CliError, EXIT } from '../exit-codes.js';
import { type Failure, failureRecord } from '../failure.js';
import { destination, mayWrite } from '../files/destination.js';
import { InOrder } from '../io/in-order.js';
import type { View } from '../io/output.js';
import { percentBar } from '../io/progress.js';
import { shortId, stateOf } from '../views.js';
import { headline } from './headline.js';
import { resultExtension, saveResult } from './save-result.js';
import type { TaskInput } from './task-inputs.js';

/** The options of every command that runs a task. */
export interface RunTaskOptions {
  readonly watch?: boolean;
  readonly wait?: boolean;
  readonly timeout?: number;
  readonly priority?: number;
  readonly concurrency?: number;
  readonly output?: string;
  readonly outputDir?: string;
  readonly rm?: boolean;
  readonly overwrite?: boolean;
}

interface TaskRow {
  readonly input: string;
  readonly job: Job;
  readonly saved: string | undefined;
}

const resultOf = ({ job, saved }: TaskRow): string => saved ?? headline(job.task_type, job.task_output);

const ROW: View<TaskRow> = {
  columns: [
    { title: 'Input', value: ({ input }) => input },
    { title: 'Status', value: ({ job }) => stateOf(job), whole: true },
    { title: 'Job', value: ({ job }) => job.job_id, shown: ({ job }) => shortId(job.job_id), whole: true },
    { title: 'Result', value: resultOf },
  ],
  id: ({ job }) => job.job_id,
};

/** The result in the form that programs get: the job and the path of its saved result. */
const record = ({ input, job, saved }: TaskRow) => ({ ...job, input, ...(saved !== undefined && { saved_to: saved }) });

/** The line of NDJSON for an input that failed. */
const failedRecord = (input: string, failure: Failure) => ({
  job_id: failure.job_id ?? null,
  status: failure.exitCode === EXIT.jobCancelled ? 'cancelled' : 'failed',
  input,
  error: failureRecord(failure),
});
type TaskLine = ReturnType<typeof record> | ReturnType<typeof failedRecord>;

/**
 * Chooses the name of each result: the input's name without its extension, with the extension if two would be the same, and
 * with a number if that is not enough.
 */
export function resultNames(inputs: readonly string[]): string[] {
  const stems = inputs.map((name) => path.join(path.dirname(name), path.parse(name).name));
  const uses = new Map<string, number>();
  for (const stem of stems) uses.set(stem, (uses.get(stem) ?? 0) + 1);
  const taken = new Set<string>();
  return inputs.map((name, i) => {
    const stem = stems[i] ?? name;
    const wanted = uses.get(stem) === 1 ? stem : name;
    let free = wanted;
    for (let n = 2; taken.has(free); n++) free = `${wanted}-${n}`;
    taken.add(free);
    return free;
  });
}

async function placeOf(name: string, job: Job, options: RunTaskOptions): Promise<string | undefined> {
  // A result that is a folder becomes the folder that was named.
  if (options.output && resultExtension(job) === '') return options.output;
  if (options.output) return destination(options.output, path.basename(name) + resultExtension(job));
  return options.outputDir && path.join(options.outputDir, name + resultExtension(job));
}

/** The path of the option `--output` if it names a file, and not a folder in which the result gets its own name. */
const namedFile = async (output: string): Promise<string | undefined> =>
  (await destination(output, 'x')) === output ? output : undefined;

/**
 * Runs a task on each input, several at once, and prints one job, or a list of jobs.
 * @throws CliError if any input failed, after the others have ended
 */
export async function runTask(
  context: Context,
  task: string,
  inputs: readonly TaskInput[],
  params: Readonly<Record<string, unknown>>,
  options: RunTaskOptions,
): Promise<void> {
  if (inputs.length === 0) throw new CliError('No input was given', EXIT.badInput);
  if (options.output && inputs.length > 1)
    throw new CliError('--output can be used with one input only', EXIT.usage, 'Use --output-dir for several');
  if (options.wait === false && (options.output || options.outputDir || options.rm))
    throw new CliError('--no-wait cannot be combined with --output, --output-dir or --rm', EXIT.usage);
  // A file that must stay is noticed before a job is created for nothing.
  const named = options.output === undefined ? undefined : await namedFile(options.output);
  if (named !== undefined) await mayWrite(context, named, options);
  const save = { ...options, ...(named !== undefined && { overwrite: true }) };
  const platform = await context.platform();
  const { map } = await import('@cl-server/client');
  const single = inputs.length === 1;
  const bar = await percentBar(context.out, task);
  const failures = collectFailures(context, single);
  const names = resultNames(inputs.map(({ name, fileName = name }) => fileName));
  // NDJSON has one line for each input, however many there are, including those that failed.
  const byLine = context.out.format === 'ndjson' || context.out.format === 'quiet';
  const lines = new InOrder<TaskLine>((line) => context.out.one(line, ({ job_id }) => job_id));
  let ended = 0;
  let rows: (TaskRow | undefined)[];
  try {
    rows = await map(
      inputs,
      async (input, i) => {
        const work = async (): Promise<TaskRow> => {
          const row = await runOne(
            context,
            platform,
            task,
            { ...input, result: names[i] ?? input.name },
            params,
            save,
            (progress) => bar.update(single ? progress : Math.floor((100 * ended) / inputs.length), input.name),
          );
          ended += 1;
          return row;
        };
        const done = await failures.guard(input.name, work, (failure) =>
          byLine ? lines.set(i, failedRecord(input.name, failure)) : undefined,
        );
        if (done && byLine) await lines.set(i, record(done));
        return done;
      },
      { concurrency: options.concurrency ?? 4, signal: context.signal },
    );
  } catch (error) {
    bar.stop();
    if (context.signal.aborted && options.wait !== false)
      context.out.note(
        `${ended} of ${inputs.length} done. Jobs already submitted will keep running. See them with: cl-client jobs list`,
      );
    throw error;
  } finally {
    bar.stop();
    await lines.flush();
  }
  const done = rows.filter((row) => row !== undefined);
  if (context.out.format !== 'human') {
    if (byLine) {
      // Everything has been printed.
    } else if (single && done[0]) await context.out.one(record(done[0]));
    else await context.out.many(done.map(record), { columns: [], id: ({ job_id }) => job_id });
  } else if (single && done[0]) await printOne(context, done[0]);
  else await context.out.many(done, ROW);
  failures.finish(inputs.length);
}

async function printOne({ out }: Context, { job, saved }: TaskRow): Promise<void> {
  await out.one({ job_id: job.job_id, status: stateOf(job), ...job.task_output });
  if (saved) out.success(`Saved to ${saved}`);
}

async function runOne(
  context: Context,
  platform: ClServer,
  task: string,
  input: TaskInput & { readonly result: string },
  params: Readonly<Record<string, unknown>>,
  options: RunTaskOptions,
  onProgress: (progress: number) => void,
): Promise<TaskRow> {
  const { jobs } = platform.compute;
  const submit = { priority: options.priority, signal: context.signal };
  const all = { ...params, ...input.params };
  if (options.wait === false) {
    const { job_id } = await jobs.submit(task, await input.open?.(), all, { ...submit, wait: false });
    return { input: input.name, job: await jobs.get(job_id, context.call), saved: undefined };
  }
  const timeoutMs = options.timeout === undefined ? undefined : options.timeout * 1000;
  const handle = jobs.submit(task, await input.open?.(), all, {
    ...submit,
    timeoutMs,
    onProgress: ({ progress, state }) => {
      onProgress(progress);
      if (options.watch && !context.out.interactive) context.out.note(`${input.name}: ${state} ${progress}%`);
    },
  });
  const job = await handle.settled();
  if (job.status !== 'completed') await handle.completed();
  const dest = await placeOf(input.result, job, options);
  const claim = (file: string): Promise<void> => mayWrite(context, file, { overwrite: options.overwrite, ask: false });
  const saved = dest === undefined ? undefined : await saveResult(jobs, job, dest, { ...context.call, claim });
  if (options.rm) await handle.delete();
  return { input: input.name, job, saved };
}
