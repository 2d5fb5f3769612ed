/**
 * The model that serves a role. `models use` may replace it at any time: every job checks which one serves, which only
 * costs reading the date of one file, and from its first job on only results of the new model are returned.
 */
import type { ModelRole } from '@cl-server/contract';
import { ModelMissing, ModelNotLoaded } from '@cl-server/models';
import type { TaskEnvironment } from '@cl-server/task-kit';
import { asUnavailable, type LoadedModel, loadModel, modelStore } from './load-model.js';

interface Held {
  readonly model: LoadedModel;
  /** Number of jobs that use it now. */
  users: number;
}

export class ServingModel {
  readonly #role: ModelRole;
  #stamp: string | undefined;
  #held: Promise<Held> | undefined;

  constructor(role: ModelRole) {
    this.#role = role;
  }

  /** Loads and tests the model. @throws TaskUnavailable */
  async load(env: TaskEnvironment): Promise<void> {
    await this.#current(env);
  }

  /**
   * Runs `work` with the model that serves now, which stays loaded meanwhile.
   * @throws TaskUnavailable if the model cannot be loaded
   */
  async use<T>(env: TaskEnvironment, work: (model: LoadedModel) => Promise<T>): Promise<T> {
    const held = await this.#current(env);
    held.users++;
    try {
      return await work(held.model);
    } catch (error) {
      if (!(error instanceof ModelMissing || error instanceof ModelNotLoaded)) throw error;
      this.#held = undefined; // its file was damaged or removed after it was unloaded because memory was short
      throw asUnavailable(error);
    } finally {
      held.users--;
      void this.#releaseUnused(held);
    }
  }

  async release(): Promise<void> {
    const held = await this.#held?.catch(() => undefined);
    this.#held = undefined;
    await held?.model.session.release();
  }

  async #current(env: TaskEnvironment): Promise<Held> {
    const store = modelStore(env);
    const stamp = await store.stamp();
    if (this.#held === undefined || stamp !== this.#stamp) {
      this.#stamp = stamp;
      this.#held = this.#follow(env, this.#held);
      const held = this.#held;
      held.catch(() => {
        if (this.#held === held) this.#held = undefined;
      });
    }
    return this.#held;
  }

  /** The loaded model if it still serves; otherwise the one that does. */
  async #follow(env: TaskEnvironment, before: Promise<Held> | undefined): Promise<Held> {
    const old = await before?.catch(() => undefined);
    if (old) {
      const serving = await modelStore(env).serving(this.#role).catch(asRejected);
      if (JSON.stringify(serving) === JSON.stringify(old.model.serving)) return old;
      env.logger.info({ role: this.#role, model: serving.manifest.id }, 'model switched');
      void this.#releaseUnused(old);
    }
    return { model: await loadModel(env, this.#role), users: 0 };
  }

  /** Unloads a model that no longer serves, after its last job. */
  async #releaseUnused(held: Held): Promise<void> {
    const current = await this.#held?.catch(() => undefined);
    if (held.users === 0 && current !== held) await held.model.session.release();
  }
}

const asRejected = (error: unknown): never => {
  throw asUnavailable(error);
};
