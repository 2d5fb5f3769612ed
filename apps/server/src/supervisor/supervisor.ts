/**
 * Runs children in stages. They start side by side, each as soon as the one that it names is ready, because they mostly wait
 * for the processor. They are drained stage by stage, the last one first.
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
   * @returns what each child reports when it is ready, by name
   * @throws Error that names the first child that did not start
   */
  async start(stages: readonly (readonly ChildSpec[])[]): Promise<ReadonlyMap<string, ReadyInfo>> {
    if (this.#draining) throw new Error('stopped while starting');
    const pairs = stages.map((stage) => stage.map((spec) => ({ spec, child: this.#childOf(spec) })));
    this.#stages = pairs.map((stage) => stage.map(({ child }) => child));
    const started = new Map<string, Promise<ReadyInfo>>();
    for (const { spec, child } of pairs.flat()) {
      const before = spec.after === undefined ? Promise.resolve({}) : started.get(spec.after);
      if (!before)
        throw new Error(`${spec.name} must start after ${spec.after}, which is not in an earlier or the same stage`);
      started.set(
        spec.name,
        before.then(() => child.start()),
      );
    }
    const names = [...started.keys()];
    const infos = await Promise.all(started.values());
    return new Map(names.map((name, index) => [name, infos[index] ?? {}]));
  }

  /** Restarts the children with these names side by side. Resolves when each is ready, or everything is drained. */
  async restart(names: ReadonlySet<string>): Promise<void> {
    if (this.#draining) return;
    const chosen = this.#stages.flat().filter((child) => names.has(child.report.name));
    await Promise.all(chosen.map((child) => child.restart()));
  }

  /** Drains everything, the last stage first; children that were not started never are. */
  drain(): Promise<void> {
    this.#draining ??= (async () => {
      for (const stage of this.#stages.toReversed()) await Promise.all(stage.map((child) => child.drain()));
    })();
    return this.#draining;
  }
}
