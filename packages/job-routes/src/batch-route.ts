/** `POST /jobs/batch`: many jobs without uploads, each with the outcome that it would have had alone. */
import path from 'node:path';
import {
  type BatchItem,
  type BatchResult,
  createBatch,
  type JobCreated,
  type TaskEndpoint,
  type ValidationItem,
} from '@cl-server/contract';
import type { JobRepository, JobStorage } from '@cl-server/jobs';
import { type App, HttpError, notFound, validatePart } from '@cl-server/service-kit';
import { formText } from '@cl-server/task-kit';
import { type Caller, grantedPriority, ownerOf, visibleJob } from './access.js';
import type { CreationInput, CreationRequest, JobCreation } from './creation.js';
import type { TaskRoute } from './endpoints.js';
import { httpErrorOf } from './http-errors.js';

export interface BatchOptions {
  readonly repository: JobRepository;
  readonly storage: JobStorage;
  readonly creation: JobCreation;
  readonly routes: readonly TaskRoute[];
  /** Whether the service runs without authentication. */
  readonly trustsAll: boolean;
}

/** Checks fields as the task's own form would. @throws HttpError 422 */
function formOf(endpoint: TaskEndpoint, item: BatchItem) {
  const faults: ValidationItem[] = [];
  const raw = formText({ ...item.params, priority: item.priority });
  const form = validatePart(endpoint.form, raw, 'body', faults);
  if (!form) throw new HttpError(422, faults);
  return form;
}

async function inputOf(
  { repository, storage }: BatchOptions,
  { task }: TaskRoute,
  item: BatchItem,
  caller: Caller,
): Promise<CreationInput | undefined> {
  const rule = task.file ?? 'required';
  if (!item.input) {
    if (rule !== 'required') return undefined;
    throw new HttpError(422, [{ type: 'missing', loc: ['body', 'input'], msg: 'Field required', input: null }]);
  }
  if (rule === 'none')
    throw new HttpError(422, [
      { type: 'value_error', loc: ['body', 'input'], msg: `${task.type} takes no file`, input: item.input.path },
    ]);
  const earlier = await visibleJob(repository, caller, item.input.job_id);
  const relative = item.input.path;
  await using file = await storage.open(earlier, relative);
  const isItsInput = earlier.params['input_path'] === relative && earlier.input_sha256 !== null;
  return {
    name: path.posix.basename(relative),
    size: file.size,
    source: { job: earlier, path: relative, sha256: (isItsInput && earlier.input_sha256) || undefined },
  };
}

async function requestOf(options: BatchOptions, item: BatchItem, caller: Caller): Promise<CreationRequest> {
  const route = options.routes.find(({ task }) => task.type === item.task_type);
  if (!route) throw notFound(`There is no task "${item.task_type}"`, { code: 'unknown_task' });
  const { priority, ...params } = formOf(route.endpoint, item);
  return {
    task: route.task,
    params,
    priority: grantedPriority(priority, caller, options.trustsAll),
    input: await inputOf(options, route, item, caller),
    owner: ownerOf(caller),
    idempotencyKey: item.idempotency_key,
  };
}

const resultOf = (outcome: JobCreated | HttpError): BatchResult =>
  outcome instanceof HttpError
    ? {
        ok: false,
        status: outcome.status,
        code: outcome.code,
        detail: typeof outcome.detail === 'string' ? outcome.detail : [...outcome.detail],
      }
    : { ok: true, job: outcome };

export function serveBatch(app: App, options: BatchOptions): void {
  app.handle(createBatch, async ({ json, user }) => {
    const requests: (CreationRequest | HttpError)[] = [];
    for (const item of json)
      requests.push(
        await requestOf(options, item, user).catch((error: unknown) => {
          const refusal = httpErrorOf(error);
          if (refusal instanceof HttpError) return refusal;
          throw error;
        }),
      );
    const good = requests.filter((request): request is CreationRequest => !(request instanceof HttpError));
    const outcomes = new Map<CreationRequest, JobCreated | HttpError | undefined>();
    for (const [index, outcome] of (await options.creation.createAll(good)).entries()) {
      const request = good[index];
      if (request) outcomes.set(request, outcome);
    }
    return {
      results: requests.map((request) => {
        if (request instanceof HttpError) return resultOf(request);
        const outcome = outcomes.get(request);
        if (!outcome) throw new Error('a request of the batch has no outcome');
        return resultOf(outcome);
      }),
    };
  });
}
