/**
 * The model that serves a role. `models use` may put another to it at any time: each job asks which it is, at the price of
 * looking at one file's date, and from its first job on the new model is the only one whose results are told.
 */
import type { ModelRole } from '@cl-server/contract';
import { ModelMissing, ModelNotLoaded } from '@cl-server/models';
import type { TaskEnvironment } from '@cl-server/task-kit';
import { asUnavailable, type LoadedModel, loadModel, modelStore } from './load-model.js';

interface Held {
  readonly model: LoadedModel;
  /** Jobs that use it now. */
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
   * Runs `work` with the model that serves now; it stays loaded for so long.
   * @throws TaskUnavailable where it cannot be loaded, or loaded again
   */
  async use<T>(env: TaskEnvironment, work: (model: LoadedModel) => Promise<T>): Promise<T> {
    const held = await this.#current(env);
    held.users++;
    try {
      return await work(held.model);
    } catch (error) {
      if (!(error instanceof ModelMissing || error instanceof ModelNotLoaded)) throw error;
      this.#held = undefined; // its file was damaged or removed after it was let go for want of memory
      throw asUnavailable(error);
    } finally {
      held.users--;
      void this.#settle(held);
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

  /** The model that was held, if it serves still; else the one that does. */
  async #follow(env: TaskEnvironment, before: Promise<Held> | undefined): Promise<Held> {
    const old = await before?.catch(() => undefined);
    if (old) {
      const serving = await modelStore(env).serving(this.#role).catch(asRejected);
      if (JSON.stringify(serving) === JSON.stringify(old.model.serving)) return old;
      env.logger.info({ role: this.#role, model: serving.manifest.id }, 'another model serves from now on');
      void this.#settle(old);
    }
    return { model: await loadModel(env, this.#role), users: 0 };
  }

  /** Lets go of a model that serves no more, after its last job. */
  async #settle(held: Held): Promise<void> {
    const current = await this.#held?.catch(() => undefined);
    if (held.users === 0 && current !== held) await held.model.session.release();
  }
}

const asRejected = (error: unknown): never => {
  throw asUnavailable(error);
};
