/** The view that clients have of the workers. It is read from the register at each request, with and without a broker. */
import type { Capabilities, WorkerCapability } from '@cl-server/contract';
import { type RegisteredWorker, type WorkerRegister, workerMessage } from '@cl-server/jobs';

/** Whether some live worker can run a task, and if not, why. */
export interface Availability {
  readonly available: boolean;
  readonly reason: string | null;
}

export class WorkerViews {
  readonly #register: Pick<WorkerRegister, 'live'>;

  constructor(register: Pick<WorkerRegister, 'live'>) {
    this.#register = register;
  }

  /** Workers that have started, by their names. */
  async list(): Promise<readonly WorkerCapability[]> {
    const workers = await this.#register.live();
    return workers.filter(({ idle_count }) => idle_count !== null).map(workerMessage);
  }

  /** Idle places summed over the workers of each task; a busy worker adds 0 and keeps the task in the list. */
  async capabilities(): Promise<Capabilities> {
    const workers = await this.list();
    const sums: Record<string, number> = {};
    for (const { capabilities, idle_count } of workers)
      for (const task of capabilities) sums[task] = (sums[task] ?? 0) + idle_count;
    return { num_workers: workers.length, capabilities: sums };
  }

  async availability(task: string): Promise<Availability> {
    return (await this.availabilities())(task);
  }

  /** One look at the register for any number of tasks. */
  async availabilities(): Promise<(task: string) => Availability> {
    const workers = await this.#register.live();
    return (task) => availabilityOf(workers, task);
  }
}

function availabilityOf(workers: readonly RegisteredWorker[], task: string): Availability {
  if (workers.some(({ capabilities }) => capabilities.includes(task))) return { available: true, reason: null };
  const reason = workers.map(({ unavailable }) => unavailable[task]?.reason).find((text) => text !== undefined);
  return {
    available: false,
    reason: reason ?? (workers.length === 0 ? 'no worker is running' : 'no running worker takes this task'),
  };
}
