/** Children in stages: started stage by stage, drained in the opposite order. */
import type { Logger } from '@cl-server/runtime/program';
import { Child, type ChildSpec, type ReadyInfo, type Timing } from './child.js';
import type { Output } from './output.js';

export interface SupervisorOptions {
  readonly output: Output;
  readonly logger: Logger;
  /** A child crashed too often: the platform cannot go on. */
  readonly gaveUp: (reason: string) => void;
  readonly timing?: Timing;
}

export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #stages: Child[][] = [];
  #draining: Promise<void> | undefined;

  constructor(options: SupervisorOptions) {
    this.#options = options;
  }

  /**
   * Starts a stage's children side by side.
   * @returns what each says of itself, by name
   * @throws Error naming the first that did not start
   */
  async startStage(specs: readonly ChildSpec[]): Promise<ReadonlyMap<string, ReadyInfo>> {
    if (this.#draining) throw new Error('stopped while starting');
    const { output, logger, gaveUp, timing } = this.#options;
    const children = specs.map(
      (spec) =>
        new Child(spec, { output: (stream, kind) => output.follow(spec.name, stream, kind), gaveUp }, logger, timing),
    );
    this.#stages.push(children);
    const infos = await Promise.all(children.map((child) => child.start()));
    return new Map(specs.map(({ name }, index) => [name, infos[index] ?? {}]));
  }

  /** Drains everything, last stage first. */
  drain(): Promise<void> {
    this.#draining ??= (async () => {
      for (const stage of this.#stages.toReversed()) await Promise.all(stage.map((child) => child.drain()));
    })();
    return this.#draining;
  }
}
