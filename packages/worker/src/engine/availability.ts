/** Which of this worker's tasks can run now, and why the others cannot. */
import type { TaskState } from '../runners/runner.js';

export type Unavailable = Extract<TaskState, { state: 'unavailable' }>;

export class Availability {
  readonly #states: Map<string, TaskState>;
  readonly #listeners = new Set<() => void>();

  constructor(tasks: readonly string[]) {
    this.#states = new Map(tasks.map((task) => [task, { state: 'starting' }]));
  }

  /** @returns whether that is new */
  set(task: string, state: TaskState): boolean {
    const before = this.#states.get(task);
    if (!before || JSON.stringify(before) === JSON.stringify(state)) return false;
    this.#states.set(task, state);
    for (const listener of [...this.#listeners]) listener();
    return true;
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Sorted. */
  get ready(): readonly string[] {
    return [...this.#states].flatMap(([task, { state }]) => (state === 'ready' ? task : [])).sort();
  }

  get starting(): readonly string[] {
    return [...this.#states].flatMap(([task, { state }]) => (state === 'starting' ? task : []));
  }

  isReady(task: string): boolean {
    return this.#states.get(task)?.state === 'ready';
  }

  get unavailable(): ReadonlyMap<string, Unavailable> {
    const entries = [...this.#states].filter(
      (entry): entry is [string, Unavailable] => entry[1].state === 'unavailable',
    );
    return new Map(entries);
  }

  /** Resolves when every task is ready or known not to be, at the latest after `within` milliseconds. */
  settled(within: number): Promise<void> {
    const isSettled = (): boolean => [...this.#states.values()].every(({ state }) => state !== 'starting');
    if (isSettled()) return Promise.resolve();
    return new Promise((resolve) => {
      const finish = (): void => {
        clearTimeout(timer);
        stop();
        resolve();
      };
      const timer = setTimeout(finish, within);
      const stop = this.onChange(() => {
        if (isSettled()) finish();
      });
    });
  }
}
