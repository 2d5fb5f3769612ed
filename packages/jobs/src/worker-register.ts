/** Which workers live, what they can run and what keeps them from the rest, in the database. */
import { workerCapability, workerLacks } from '@cl-server/contract';
import type { Kysely } from 'kysely';
import type { JobTables } from './tables.js';
import type { RegisteredWorker, WorkerAbilities, WorkerRegister } from './types.js';

/** Milliseconds after which the row of a worker that was killed goes. */
const FORGOTTEN = 3_600_000;

const { capabilities: tasks } = workerCapability.shape;

export class SqlWorkerRegister implements WorkerRegister {
  readonly #kysely: Kysely<JobTables>;
  readonly #now: () => number;

  constructor(kysely: Kysely<JobTables>, now: () => number) {
    this.#kysely = kysely;
    this.#now = now;
  }

  async announce(workerId: string, { capabilities, unavailable }: WorkerAbilities): Promise<void> {
    const now = this.#now();
    const row = {
      capabilities: JSON.stringify(capabilities),
      unavailable: JSON.stringify(unavailable),
      seen_at: now,
    };
    await this.#kysely
      .insertInto('workers')
      .values({ worker_id: workerId, ...row })
      .onConflict((conflict) => conflict.column('worker_id').doUpdateSet(row))
      .execute();
    const forgotten = now - FORGOTTEN;
    await this.#kysely.deleteFrom('workers').where('seen_at', '<', forgotten).execute();
  }

  async withdraw(workerId: string): Promise<void> {
    await this.#kysely.deleteFrom('workers').where('worker_id', '=', workerId).execute();
  }

  async live(maxAge: number): Promise<readonly RegisteredWorker[]> {
    const rows = await this.#kysely
      .selectFrom('workers')
      .select(['worker_id', 'capabilities', 'unavailable'])
      .where('seen_at', '>', this.#now() - maxAge)
      .orderBy('worker_id')
      .execute();
    return rows.map((row) => ({
      worker_id: row.worker_id,
      capabilities: tasks.parse(JSON.parse(row.capabilities)),
      unavailable: workerLacks.parse(JSON.parse(row.unavailable)),
    }));
  }
}
