/**
 * The register of workers: one row for each worker, which the worker itself writes at every change and at every beat.
 * It is the only source of what workers live and what they can run, with and without a broker.
 *
 * ```
 *            announce, at every change and beat           withdraw, or lost (last will)
 *  (no row) ---------------------------------> live -------------------------------------> (no row)
 *                                              ^  | no beat for `maxAgeMs`                     ^
 *                                              |  v                                           |
 *                                             silent --an hour later----------------------------+
 * ```
 */
import { unavailableCode, type WorkerCapability, workerCapability, workerLacks } from '@cl-server/contract';
import type { Kysely } from 'kysely';
import type { JobTables } from '../tables.js';

export interface WorkerAbilities {
  /** Tasks that the worker can run now. */
  readonly capabilities: readonly string[];
  /** Its other tasks, with what keeps it from each of them: a stable code, or `STARTING`, and a sentence. */
  readonly unavailable: Readonly<Record<string, { readonly code: string; readonly reason: string }>>;
  /** Jobs that it could start now; null while it starts and its tasks are not all set up. */
  readonly idle_count: number | null;
}

export interface RegisteredWorker extends WorkerAbilities {
  readonly worker_id: string;
  /** When the worker wrote its row, in milliseconds. */
  readonly seen_at: number;
}

/** A worker as clients see it, over HTTP and MQTT. Tasks that are being set up are left out: nothing is known of them. */
export function workerMessage(worker: RegisteredWorker): WorkerCapability {
  const { worker_id, capabilities, idle_count, seen_at } = worker;
  const unavailable: Record<string, string> = {};
  const unavailable_codes: WorkerCapability['unavailable_codes'] = {};
  for (const [task, { code, reason }] of Object.entries(worker.unavailable)) {
    const known = unavailableCode.safeParse(code);
    if (!known.success) continue;
    unavailable[task] = reason;
    unavailable_codes[task] = known.data;
  }
  return {
    worker_id,
    id: worker_id,
    capabilities: [...capabilities],
    idle_count: idle_count ?? 0,
    ...(Object.keys(unavailable).length > 0 && { unavailable, unavailable_codes }),
    timestamp: seen_at,
  };
}

export interface WorkerRegister {
  /** Writes the worker's row. */
  announce(workerId: string, abilities: WorkerAbilities): Promise<void>;
  /** Removes the rows of workers that stop, or that the broker reports as gone. One that lives writes its row again. */
  withdraw(...workerIds: readonly string[]): Promise<void>;
  /** Workers whose row is younger than the engine's `workerMaxAgeMs`, by their names. */
  live(): Promise<readonly RegisteredWorker[]>;
}

/** Code of a task whose set-up has not ended yet. */
export const STARTING = 'starting';

/** Age at which the row of a worker that was killed is removed. */
const RETENTION_MS = 3_600_000;

const { capabilities: taskNames } = workerCapability.shape;

export interface WorkerRegisterOptions {
  readonly kysely: Kysely<JobTables>;
  readonly now: () => number;
  /** Milliseconds without a beat after which a worker counts as gone. */
  readonly maxAgeMs: number;
}

export class SqlWorkerRegister implements WorkerRegister {
  readonly #options: WorkerRegisterOptions;

  constructor(options: WorkerRegisterOptions) {
    this.#options = options;
  }

  async announce(workerId: string, { capabilities, unavailable, idle_count }: WorkerAbilities): Promise<void> {
    const { kysely, now } = this.#options;
    const row = {
      capabilities: JSON.stringify(capabilities),
      unavailable: JSON.stringify(unavailable),
      idle_count,
      seen_at: now(),
    };
    await kysely
      .insertInto('workers')
      .values({ worker_id: workerId, ...row })
      .onConflict((conflict) => conflict.column('worker_id').doUpdateSet(row))
      .execute();
    const old = row.seen_at - RETENTION_MS;
    await kysely.deleteFrom('workers').where('seen_at', '<', old).execute();
  }

  async withdraw(...workerIds: readonly string[]): Promise<void> {
    if (workerIds.length === 0) return;
    await this.#options.kysely.deleteFrom('workers').where('worker_id', 'in', workerIds).execute();
  }

  async live(): Promise<readonly RegisteredWorker[]> {
    const { kysely, now, maxAgeMs } = this.#options;
    const rows = await kysely
      .selectFrom('workers')
      .selectAll()
      .where('seen_at', '>', now() - maxAgeMs)
      .orderBy('worker_id')
      .execute();
    return rows.map((row) => ({
      ...row,
      capabilities: taskNames.parse(JSON.parse(row.capabilities)),
      unavailable: workerLacks.parse(JSON.parse(row.unavailable)),
    }));
  }
}
