/**
 * Messages between the engine and its runners over IPC. A runner executes code of plugins, so all that comes from
 * it is checked before it is believed.
 */
import { JOB_ERROR_CODES, unavailableCode } from '@cl-server/contract';
import type { TaskEnvironment } from '@cl-server/task-kit';
import { z } from 'zod';

export interface RunnableTask {
  readonly task: string;
  /** Absolute path of the module that holds the definition. */
  readonly file: string;
}

export interface JobInput {
  readonly job_id: string;
  readonly attempt: number;
  readonly params: Readonly<Record<string, unknown>>;
  /** Absolute path of the upload. */
  readonly input: string | undefined;
  /** Absolute path of the attempt's folder. */
  readonly results: string;
  readonly scratch: string;
}

/** Parts that a runner adds itself: a logger, and facts that are found once per worker. */
export type RunnerEnvironment = Omit<TaskEnvironment, 'logger' | 'once'>;

/** First message to a runner. */
export interface StartMessage {
  readonly type: 'start';
  readonly tasks: readonly RunnableTask[];
  readonly env: RunnerEnvironment;
  /** Tasks that are set up at once; the others are when they are first run. */
  readonly setUp: readonly string[];
  /** Facts about the machine that other runners of this worker have found, by name. */
  readonly known: Readonly<Record<string, unknown>>;
  /** One set-up after the other, each announced: after a crash during set-ups, to learn whose it was. */
  readonly sequential: boolean;
}
export interface RunMessage {
  readonly type: 'run';
  readonly task: string;
  /** More than one only for a task with `runBatch`, or in turn. */
  readonly jobs: readonly JobInput[];
  /** One job after the other. */
  readonly inTurn: boolean;
}
export type ToRunner =
  | StartMessage
  | RunMessage
  | { readonly type: 'abort'; readonly job_id: string; readonly reason: string }
  /** Jobs whose turn has not come are not to begin. */
  | { readonly type: 'return' }
  /** Tries the set-up of an unavailable task again. */
  | { readonly type: 'setup'; readonly task: string }
  | { readonly type: 'stop' };

const jobResult = z.discriminatedUnion('ok', [
  z.object({ ok: z.literal(true), output: z.unknown() }),
  z.object({
    ok: z.literal(false),
    code: z.enum(JOB_ERROR_CODES),
    message: z.string(),
    retryable: z.boolean(),
  }),
  /** The job never began: the task's set-up had failed there, or it was taken back before its turn. */
  z.object({ ok: z.null(), reason: z.string() }),
]);
export type JobResult = z.infer<typeof jobResult>;

export const fromRunner = z.discriminatedUnion('type', [
  z.object({ type: z.literal('setting_up'), task: z.string() }),
  z.object({ type: z.literal('ready'), task: z.string() }),
  z.object({ type: z.literal('unavailable'), task: z.string(), code: unavailableCode, reason: z.string() }),
  /** A fact for this runner and for those after it. */
  z.object({ type: z.literal('learned'), name: z.string().max(200), value: z.json() }),
  z.object({ type: z.literal('progress'), job_id: z.string(), percent: z.int().min(0).max(100) }),
  /** `ms`: how long the job took; `rss`: bytes of memory that the process holds after it. */
  z.object({
    type: z.literal('result'),
    job_id: z.string(),
    result: jobResult,
    ms: z.number().optional(),
    rss: z.number().optional(),
  }),
  z.object({
    type: z.literal('log'),
    level: z.enum(['debug', 'info', 'warn', 'error']),
    job_id: z.string().optional(),
    fields: z.record(z.string(), z.unknown()),
    message: z.string(),
  }),
]);
export type FromRunner = z.infer<typeof fromRunner>;
