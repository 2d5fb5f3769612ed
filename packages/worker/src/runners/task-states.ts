/**
 * Whether a worker can run a task, from what its runners say: ready while any of them that lives has it ready. What a
 * runner said ends with it; while none that lives has tried, the last that was known counts, so that no runner has to be
 * kept only to know.
 */
import type { TaskState } from './runner.js';

export class TaskStates {
  readonly #tell: (task: string, state: TaskState) => void;
  /** The states by runner, the latest last. */
  readonly #said = new Map<object, Map<string, TaskState>>();

  constructor(tell: (task: string, state: TaskState) => void) {
    this.#tell = tell;
  }

  set(runner: object, task: string, state: TaskState): void {
    const said = this.#said.get(runner) ?? new Map<string, TaskState>();
    said.set(task, state);
    this.#said.delete(runner);
    this.#said.set(runner, said);
    this.#decide(task);
  }

  /** A runner has ended. */
  forget(runner: object): void {
    const tasks = [...(this.#said.get(runner)?.keys() ?? [])];
    this.#said.delete(runner);
    for (const task of tasks) this.#decide(task);
  }

  #decide(task: string): void {
    const states = [...this.#said.values()].flatMap((said) => said.get(task) ?? []);
    const ready = states.find(({ state }) => state === 'ready');
    const last = states.at(-1);
    if (ready) this.#tell(task, ready);
    else if (last) this.#tell(task, last);
  }
}
