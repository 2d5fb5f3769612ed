/** The tasks of one runner: loaded and set up, or out of use with a reason. */
import { type UnavailableCode, unavailableCode } from '@cl-server/contract';
import { loadDefinition, type TaskEnvironment, type TaskModule } from '@cl-server/task-kit';
import type { RunnableTask } from '../runners/protocol.js';
import { channelLogger, tell } from './channel.js';

type Module = TaskModule<Record<string, unknown>, unknown>;

interface Entry {
  readonly task: RunnableTask;
  module?: Module;
  ready: boolean;
  reason: string;
}

/** By shape: a plugin may bring a task-kit of its own, whose classes are not ours. */
export function unavailability(error: unknown): { code: UnavailableCode; reason: string } {
  const { name, code, message } = error as { name?: unknown; code?: unknown; message?: unknown };
  const text = typeof message === 'string' && message !== '' ? message : String(error);
  const known = unavailableCode.safeParse(code);
  if (name === 'TaskUnavailable' && known.success) return { code: known.data, reason: text };
  return { code: 'task_failed', reason: `its set-up failed: ${text.split('\n')[0]}` };
}

export class RunnerTasks {
  readonly #entries: ReadonlyMap<string, Entry>;
  readonly env: TaskEnvironment;

  constructor(tasks: readonly RunnableTask[], env: Omit<TaskEnvironment, 'logger'>) {
    this.#entries = new Map(tasks.map((task) => [task.task, { task, ready: false, reason: 'not set up yet' }]));
    this.env = { ...env, logger: channelLogger() };
  }

  async setUpAll(sequential: boolean): Promise<void> {
    const names = [...this.#entries.keys()];
    if (sequential) for (const name of names) await this.setUp(name);
    else await Promise.all(names.map((name) => this.setUp(name)));
  }

  async setUp(name: string): Promise<void> {
    const entry = this.#entries.get(name);
    if (!entry || entry.ready) return;
    tell({ type: 'setting_up', task: name });
    try {
      entry.module ??= (await (await loadDefinition(entry.task.file)).load()) as Module;
      await entry.module.setup?.(this.env);
      entry.ready = true;
      tell({ type: 'ready', task: name });
    } catch (error) {
      const { code, reason } = unavailability(error);
      entry.reason = reason;
      if (code === 'task_failed') this.env.logger.warn({ task: name, err: error }, 'a task could not be set up');
      tell({ type: 'unavailable', task: name, code, reason });
    }
  }

  /** A task that turned out not to run: out of use until a further set-up succeeds. */
  withdraw(name: string, code: UnavailableCode, reason: string): void {
    const entry = this.#entries.get(name);
    if (!entry?.ready) return;
    entry.ready = false;
    entry.reason = reason;
    this.env.logger.warn({ task: name, code, reason }, 'a task can no longer run');
    tell({ type: 'unavailable', task: name, code, reason });
  }

  /** The module, or the reason why there is none. */
  get(name: string): Module | string {
    const entry = this.#entries.get(name);
    return entry?.ready && entry.module ? entry.module : (entry?.reason ?? 'no such task here');
  }

  async tearDown(): Promise<void> {
    await Promise.allSettled([...this.#entries.values()].map(({ ready, module }) => ready && module?.teardown?.()));
  }
}
