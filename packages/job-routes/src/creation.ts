/**
 * Creating jobs. A request becomes a draft (checked, its file in place and on disk), drafts become rows in one
 * transaction; a draft without a row of its own leaves no file behind.
 */
import { createHash } from 'node:crypto';
import type { JobCreated } from '@cl-server/contract';
import {
  type AddResult,
  type FileSource,
  type JobRepository,
  type JobStorage,
  type NewJob,
  newJobId,
} from '@cl-server/jobs';
import {
  conflict,
  type FolderIdentity,
  HttpError,
  invalidField,
  overBudget,
  safeFileName,
} from '@cl-server/service-kit';
import { type AnyTask, DEFAULT_TIMEOUT, type InputFile, storedParams } from '@cl-server/task-kit';
import { refuseAbsolutePaths } from './access.js';
import { httpErrorOf } from './http-errors.js';

export interface CreationOptions {
  readonly repository: JobRepository;
  readonly storage: JobStorage;
  /** No job is queued whose files no worker would find. */
  readonly identity: Pick<FolderIdentity, 'assertMatch'>;
  /** Folders in which the `*_absolute_path` fields of the platform's own jobs may point. */
  readonly mediaDir: string;
  readonly streamsDir: string;
  /** Jobs that one user, or all guests together, may have waiting. */
  readonly maxQueued: number;
  /** Bytes that one user, or all guests together, may keep over entities, jobs and uploads; 0 or absent: no limit. */
  readonly userBytes?: number | undefined;
}

export interface CreationInput {
  /** The name that the client sent. */
  readonly name: string;
  readonly size: number;
  readonly source: FileSource;
}

export interface CreationRequest {
  readonly task: AnyTask;
  /** Checked by the task's schema. */
  readonly params: Readonly<Record<string, unknown>>;
  readonly priority: number | undefined;
  readonly input: CreationInput | undefined;
  /** Null: a stranger who was let in. */
  readonly owner: string | null;
  readonly idempotencyKey: string | undefined;
  /** Set for jobs that the platform makes itself: only they may name files of the server by `*_absolute_path` fields. */
  readonly isPlatforms?: boolean;
}

/** Options of one call. */
export type CreationLimits = Partial<Pick<CreationOptions, 'maxQueued'>>;

/** Inputs that were copied for one request of a call and are shared by the others, by the name of the original. */
type Copies = Map<string | undefined, FileSource>;

/** The name of a file that is to be copied; undefined if each source is another file. */
function originalOf(source: FileSource): string | undefined {
  if (!('path' in source) || typeof source.path !== 'string') return undefined;
  if ('job' in source) return `${source.job.job_id}/${source.path}`;
  return source.move ? undefined : source.path;
}

interface Draft {
  readonly job: NewJob;
  discard(): Promise<unknown>;
}

/** Seconds after which a client that has too many jobs waiting may ask again. */
const RETRY_AFTER = 5;

const REFUSALS = [400, 403, 422];

/** Compares by name and not by class, because a plugin may bring a task kit of its own. */
function refusalOf(error: unknown): HttpError | undefined {
  const { name, status, message, field } = error as {
    name?: string;
    status?: number;
    message?: string;
    field?: string;
  };
  if (name !== 'TaskRefusal' || status === undefined || !REFUSALS.includes(status)) return undefined;
  if (status === 422) return invalidField('body', field ?? '', message ?? '');
  return new HttpError(status, message ?? '', { cause: error });
}

export const tooManyQueued = (queued: number): HttpError =>
  new HttpError(429, `You have ${queued} jobs waiting, as many as this server allows: wait for some of them to end`, {
    code: 'too_many_jobs',
    headers: { 'retry-after': String(RETRY_AFTER) },
  });

function outcome(result: AddResult): JobCreated | HttpError {
  if (result.outcome === 'limited') return tooManyQueued(result.queued);
  if (result.outcome === 'over_budget') return overBudget(result.used, result.allowed);
  if (result.outcome === 'conflict')
    return conflict('This Idempotency-Key was used for another request: choose a new one', { code: 'idempotency_key' });
  const { job_id, status, task_type } = result.job;
  return { job_id, status, task_type };
}

export class JobCreation {
  readonly #options: CreationOptions;

  constructor(options: CreationOptions) {
    this.#options = options;
  }

  /** @throws HttpError for faults that the client can correct */
  async create(request: CreationRequest, limits?: CreationLimits): Promise<JobCreated> {
    const [result] = await this.createAll([request], limits);
    if (result instanceof HttpError) throw result;
    if (result === undefined) throw new Error('one request, no result');
    return result;
  }

  /** @returns the outcome of each, in order. Faults that no client can correct are thrown, and nothing is created then. */
  async createAll(
    requests: readonly CreationRequest[],
    { maxQueued = this.#options.maxQueued }: CreationLimits = {},
  ): Promise<readonly (JobCreated | HttpError)[]> {
    await this.#options.identity.assertMatch();
    const drafts: (Draft | HttpError)[] = [];
    const kept = new Set<Draft>();
    const copies: Copies = new Map();
    try {
      for (const request of requests) drafts.push(await this.#draft(request, copies).catch(asHttpError));
      const good = drafts.filter((draft): draft is Draft => !(draft instanceof HttpError));
      const jobs = good.map(({ job }) => job);
      const added =
        jobs.length > 0
          ? await this.#options.repository.addJobs(jobs, { maxQueued, maxBytes: this.#options.userBytes ?? 0 })
          : [];
      const results = new Map(good.map((draft, index) => [draft, added[index]]));
      for (const [draft, result] of results) if (result?.outcome === 'created') kept.add(draft);
      return drafts.map((draft) => {
        if (draft instanceof HttpError) return draft;
        const result = results.get(draft);
        if (!result) throw new Error('a job was added without a result');
        return outcome(result);
      });
    } finally {
      for (const draft of drafts) if (!(draft instanceof HttpError) && !kept.has(draft)) await draft.discard();
    }
  }

  async #draft(request: CreationRequest, copies: Copies): Promise<Draft> {
    const { task, owner, idempotencyKey, priority, isPlatforms = false } = request;
    const { storage } = this.#options;
    const input = request.input && describe(request.input);
    // With a file, a task may set paths aside, as clients know it; without one they are not even looked up.
    if (!isPlatforms && !input) refuseAbsolutePaths(request.params);
    const prepared = await this.#prepare(task, request.params, input);
    if (!isPlatforms) refuseAbsolutePaths(prepared);
    const params = storedParams(task, prepared, input);
    const job_id = newJobId();
    const discard = () => (input ? storage.remove(job_id) : Promise.resolve());
    try {
      let hash: string | undefined;
      let size = 0;
      if (input && request.input) {
        const { source } = request.input;
        const original = originalOf(source);
        ({ hash, size } = await storage.save(job_id, input.path, copies.get(original) ?? source));
        const job = { job_id, committed_attempt: null };
        if (original !== undefined) copies.set(original, { job, path: input.path, sha256: hash });
      }
      return {
        job: {
          job_id,
          task_type: task.type,
          params,
          created_by: owner,
          timeout_ms: (task.timeout ?? DEFAULT_TIMEOUT) * 1000,
          ...(priority !== undefined && { priority }),
          ...(hash !== undefined && { input_sha256: hash }),
          input_bytes: size,
          ...(idempotencyKey !== undefined && {
            idempotency_key: idempotencyKey,
            fingerprint: fingerprint([task.type, params, priority ?? null, hash ?? null]),
          }),
        },
        discard,
      };
    } catch (error) {
      await discard();
      throw error;
    }
  }

  async #prepare(
    task: AnyTask,
    params: Readonly<Record<string, unknown>>,
    input: InputFile | undefined,
  ): Promise<Readonly<Record<string, unknown>>> {
    const { mediaDir, streamsDir } = this.#options;
    try {
      const changed = await task.prepare?.(params, { input, mediaDir, streamsDir });
      return { ...params, ...changed };
    } catch (error) {
      throw refusalOf(error) ?? error;
    }
  }
}

function describe({ name, size }: CreationInput): InputFile {
  const safe = safeFileName(name);
  return { path: `input/${safe}`, name: safe, size };
}

const fingerprint = (parts: unknown): string => createHash('sha256').update(JSON.stringify(parts)).digest('hex');

function asHttpError(error: unknown): HttpError {
  const refusal = httpErrorOf(error);
  if (refusal instanceof HttpError) return refusal;
  throw error;
}
