/**
 * Prepares the model of a role: it is found or downloaded, loaded and tested. Otherwise the task is unavailable, with
 * the reason.
 */
import path from 'node:path';
import type { ModelManifest, ModelRole, ModelStamp } from '@cl-server/contract';
import {
  EXECUTION_PROVIDERS,
  type ExecutionProvider,
  ModelMissing,
  ModelSession,
  ModelStore,
  type Serving,
  selfTest,
} from '@cl-server/models';
import { type TaskEnvironment, TaskUnavailable } from '@cl-server/task-kit';

export interface LoadedModel {
  readonly manifest: ModelManifest;
  readonly session: ModelSession;
  readonly input: string;
  readonly output: string;
  /** Names of all inputs that the model takes. */
  readonly inputs: readonly string[];
  readonly serving: Serving;
  readonly stamp: ModelStamp;
}

function providerOf(env: TaskEnvironment): ExecutionProvider {
  const wanted = env.settings.EXECUTION_PROVIDER ?? 'cpu';
  const provider = EXECUTION_PROVIDERS.find((name) => name === wanted);
  if (!provider)
    throw new TaskUnavailable(
      'model_unusable',
      `EXECUTION_PROVIDER is ${wanted}; it can be ${EXECUTION_PROVIDERS.join(', ')}`,
    );
  return provider;
}

export const modelStore = (env: TaskEnvironment): ModelStore =>
  new ModelStore({ dir: env.modelsDir, mirror: env.settings.MODELS_MIRROR });

/** Path of a model's file, which is downloaded if that is necessary, possible and allowed. @throws ModelMissing */
async function fileOf(store: ModelStore, serving: Serving, env: TaskEnvironment): Promise<string> {
  const { manifest, path: chosen } = serving;
  const present = await store.locate(manifest, chosen);
  if (present !== undefined) return present;
  if (env.settings.MODELS_DOWNLOAD === 'never' || (chosen !== undefined && manifest.urls.length === 0))
    return store.verified(serving); // throws an error that names what is missing
  let said = 0;
  return store.pull(manifest, {
    onProgress: ({ received, total }) => {
      const percent = Math.floor((received / total) * 10) * 10;
      if (percent === said) return;
      said = percent;
      env.logger.info({ model: manifest.id, percent }, 'downloading a model');
    },
  });
}

/** Path of any model of the catalogue, e.g. a tokenizer. @throws TaskUnavailable */
export async function modelFile(env: TaskEnvironment, manifest: ModelManifest): Promise<string> {
  try {
    return await fileOf(modelStore(env), { manifest }, env);
  } catch (error) {
    throw asUnavailable(error);
  }
}

/** Converts errors of models to the error that withdraws a task; other errors pass. */
export function asUnavailable(error: unknown): unknown {
  if (error instanceof TaskUnavailable) return error;
  if (error instanceof ModelMissing) return new TaskUnavailable('model_missing', error.message, { cause: error });
  return new TaskUnavailable('model_unusable', `the model is unusable: ${withoutPaths(error)}`, { cause: error });
}

/** Number of threads of a session: the setting for models, otherwise the number that any task may use. */
function threadsOf({ settings, threads }: TaskEnvironment): number {
  const given = Number(settings.MODEL_THREADS);
  return Number.isInteger(given) && given > 0 ? given : threads;
}

/** Removes file names from a message of the runtime, because clients see it. */
const withoutPaths = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).replace(/(?:[A-Za-z]:)?[\\/][^\s:'"]+/g, (file) =>
    path.basename(file),
  );

/** @throws TaskUnavailable */
export async function loadModel(env: TaskEnvironment, role: ModelRole): Promise<LoadedModel> {
  let session: ModelSession | undefined;
  try {
    const provider = providerOf(env);
    const store = modelStore(env);
    const serving = await store.serving(role);
    const { manifest } = serving;
    await fileOf(store, serving, env);
    session = new ModelSession(() => store.verified(serving), { provider, threads: threadsOf(env) });
    await selfTest(manifest, session);
    const { inputs, outputs } = await session.names();
    return {
      manifest,
      session,
      input: manifest.input ?? inputs[0] ?? '',
      output: manifest.output ?? outputs[0] ?? '',
      inputs,
      serving,
      stamp: {
        model_id: manifest.id,
        model_version: manifest.version,
        preprocessing_version: manifest.preprocessing_version,
        execution_provider: provider,
      },
    };
  } catch (error) {
    await session?.release();
    throw asUnavailable(error);
  }
}
