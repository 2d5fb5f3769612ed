/** The tasks of one runner: loaded and set up, or out of use with a reason. */
import { type UnavailableCode, unavailableCode } from '@cl-server/contract';
import { type AnyTask, loadDefinition, type TaskEnvironment, type TaskModule } from '@cl-server/task-kit';
import type { z } from 'zod';
import type { RunnableTask, RunnerEnvironment } from '../runners/protocol.js';
import { channelLogger, report } from './channel.js';

type Module = TaskModule<Record<string, unknown>, unknown>;

interface Entry {
  readonly task: RunnableTask;
  definition?: AnyTask;
  module?: Module;
  /** Its set-up, while that lasts. */
  pending?: Promise<void> | undefined;
  /** Whether a set-up was ever tried. */
  tried: boolean;
  ready: boolean;
  reason: string;
}

/** Checks the shape and not the class, because a plugin may bring a task-kit of its own. */
export function unavailability(error: unknown): { code: UnavailableCode; reason: string } {
  const { name, code, message } = error as { name?: unknown; code?: unknown; message?: unknown };
  const text = typeof message === 'string' && message !== '' ? message : String(error);
  const known = unavailableCode.safeParse(code);
  if (name === 'TaskUnavailable' && known.success) return { code: known.data, reason: text };
  return { code: 'task_failed', reason: `its set-up failed: ${text.split('\n')[0]}` };
}

/** Facts that one runner found are passed to the runners started after it; a failure is not kept. */
function onceByChannel(known: Readonly<Record<string, unknown>>): TaskEnvironment['once'] {
  const found = new Map<string, Promise<unknown>>(
    Object.entries(known).map(([name, value]) => [name, Promise.resolve(value)]),
  );
  return <T>(name: string, find: () => Promise<T>): Promise<T> => {
    const before = found.get(name);
    if (before) return before as Promise<T>;
    const finding = find();
    found.set(name, finding);
    void finding.then(
      (value) => report({ type: 'learned', name, value: value as z.core.util.JSONType }),
      () => found.delete(name),
    );
    return finding;
  };
}

export class RunnerTasks {
  readonly #entries: ReadonlyMap<string, Entry>;
  readonly env: TaskEnvironment;

  constructor(tasks: readonly RunnableTask[], env: RunnerEnvironment, known: Readonly<Record<string, unknown>>) {
    this.#entries = new Map(
      tasks.map((task) => [task.task, { task, tried: false, ready: false, reason: 'not set up yet' }]),
    );
    this.env = { ...env, logger: channelLogger(), once: onceByChannel(known) };
  }

  async setUpAll(names: readonly string[], sequential: boolean): Promise<void> {
    if (sequential) for (const name of names) await this.setUp(name);
    else await Promise.all(names.map((name) => this.setUp(name)));
  }

  /** Sets a task up unless that was tried before, or waits for the running set-up. */
  async ensure(name: string): Promise<void> {
    const entry = this.#entries.get(name);
    if (entry?.pending || entry?.tried === false) await this.setUp(name);
  }

  async setUp(name: string): Promise<void> {
    const entry = this.#entries.get(name);
    if (!entry) return;
    if (entry.ready) return report({ type: 'ready', task: name });
    entry.pending ??= this.#setUp(name, entry).finally(() => {
      entry.pending = undefined;
    });
    await entry.pending;
  }

  async #setUp(name: string, entry: Entry): Promise<void> {
    entry.tried = true;
    report({ type: 'setting_up', task: name });
    try {
      entry.definition ??= await loadDefinition(entry.task.file);
      entry.module ??= (await entry.definition.load()) as Module;
      await entry.module.setup?.(this.env);
      entry.ready = true;
      report({ type: 'ready', task: name });
    } catch (error) {
      const { code, reason } = unavailability(error);
      entry.reason = reason;
      if (code === 'task_failed') this.env.logger.warn({ task: name, err: error }, 'a task could not be set up');
      report({ type: 'unavailable', task: name, code, reason });
    }
  }

  /** A task that turned out not to run: out of use until a further set-up succeeds. */
  withdraw(name: string, code: UnavailableCode, reason: string): void {
    const entry = this.#entries.get(name);
    if (!entry?.ready) return;
    entry.ready = false;
    entry.reason = reason;
    this.env.logger.warn({ task: name, code, reason }, 'a task can no longer run');
    report({ type: 'unavailable', task: name, code, reason });
  }

  /** The module, or the reason why there is none. */
  get(name: string): Module | string {
    const entry = this.#entries.get(name);
    return entry?.ready && entry.module ? entry.module : (entry?.reason ?? 'no such task here');
  }

  /** Undefined until its set-up has loaded it. */
  definition(name: string): AnyTask | undefined {
    return this.#entries.get(name)?.definition;
  }

  async tearDown(): Promise<void> {
    await Promise.allSettled([...this.#entries.values()].map(({ ready, module }) => ready && module?.teardown?.()));
  }
}
