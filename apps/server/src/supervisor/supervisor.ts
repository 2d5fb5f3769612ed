/**
 * Children in stages. They start side by side, each as soon as the one that it names is ready: what they wait for is
 * mostly the processor. They are drained stage by stage, the last one first.
 */
import type { Readable } from 'node:stream';
import type { ChildReport } from '@cl-server/contract';
import type { Logger } from '@cl-server/service-kit/program';
import { Child, type ChildSpec, type ReadyInfo, type Timing } from './child.js';
import type { Output } from './output.js';

export interface SupervisorOptions {
  readonly output: Output;
  readonly logger: Logger;
  /** Called after each change with the state of all children. */
  readonly changed?: (children: readonly ChildReport[]) => void;
  readonly timing?: Timing;
}

export class Supervisor {
  readonly #options: SupervisorOptions;
  #stages: readonly (readonly Child[])[] = [];
  #draining: Promise<void> | undefined;

  constructor(options: SupervisorOptions) {
    this.#options = options;
  }

  #childOf(spec: ChildSpec): Child {
    const { output, logger, changed, timing } = this.#options;
    const events = {
      output: (stream: Readable, kind: 'stdout' | 'stderr') => output.follow(spec.name, stream, kind),
      changed: () => changed?.(this.#stages.flat().map(({ report }) => report)),
    };
    return new Child(spec, events, logger, timing);
  }

  /**
   * Starts all children.
   * @returns what each says of itself, by name
   * @throws Error naming the first that did not start
   */
  async start(stages: readonly (readonly ChildSpec[])[]): Promise<ReadonlyMap<string, ReadyInfo>> {
    if (this.#draining) throw new Error('stopped while starting');
    const pairs = stages.map((stage) => stage.map((spec) => ({ spec, child: this.#childOf(spec) })));
    this.#stages = pairs.map((stage) => stage.map(({ child }) => child));
    const started = new Map<string, Promise<ReadyInfo>>();
    for (const { spec, child } of pairs.flat()) {
      const before = spec.after === undefined ? Promise.resolve({}) : started.get(spec.after);
      if (!before) throw new Error(`${spec.name} is to start after ${spec.after}, which comes later or never`);
      started.set(
        spec.name,
        before.then(() => child.start()),
      );
    }
    const names = [...started.keys()];
    const infos = await Promise.all(started.values());
    return new Map(names.map((name, index) => [name, infos[index] ?? {}]));
  }

  /** Drains everything, last stage first; what was not started yet never is. */
  drain(): Promise<void> {
    this.#draining ??= (async () => {
      for (const stage of this.#stages.toReversed()) await Promise.all(stage.map((child) => child.drain()));
    })();
    return this.#draining;
  }
}
