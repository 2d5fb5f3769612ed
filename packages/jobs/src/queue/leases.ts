/** Jobs that change because time passes: leases that run out, delays that are over. */
import type { JobContext } from '../context.js';
import { transition } from '../machine.js';
import type { JobUpdates } from './update.js';

const BATCH_SIZE = 100;
/** Beyond this the wall clock was set, not merely corrected. */
const CLOCK_JUMP_MS = 2_000;

export interface Expired {
  readonly requeued: number;
  readonly failed: number;
}

export class Leases {
  readonly #context: JobContext;
  readonly #updates: JobUpdates;
  #lastLook: { wall: number; steady: number };
  #holdUntil = Number.NEGATIVE_INFINITY;

  constructor(context: JobContext, updates: JobUpdates) {
    this.#context = context;
    this.#updates = updates;
    this.#lastLook = { wall: context.now(), steady: context.monotonic() };
  }

  /**
   * After the wall clock was set forward every lease looks old: for the length of one lease nothing expires, so that
   * living workers can renew first.
   */
  #clockIsSteady(): boolean {
    const look = { wall: this.#context.now(), steady: this.#context.monotonic() };
    const drift = look.wall - this.#lastLook.wall - (look.steady - this.#lastLook.steady);
    this.#lastLook = look;
    if (Math.abs(drift) > CLOCK_JUMP_MS) this.#holdUntil = look.steady + this.#context.leaseMs;
    return look.steady >= this.#holdUntil;
  }

  /** Takes jobs back whose worker has not renewed its lease. */
  async expire(): Promise<Expired> {
    if (!this.#clockIsSteady()) return { requeued: 0, failed: 0 };
    const { database, retryPolicy, metrics, now } = this.#context;
    let requeued = 0;
    let failed = 0;
    for (;;) {
      const late = await database.kysely
        .selectFrom('jobs')
        .select('seq')
        .where('status', '=', 'processing')
        .where('lease_until', '<', now())
        .orderBy('lease_until')
        .limit(BATCH_SIZE)
        .execute();
      if (late.length === 0) break;
      const seqs = late.map(({ seq }) => seq);
      const changed = await this.#updates.apply(
        (query) => query.where('seq', 'in', seqs),
        (row) =>
          row.lease_until !== null && row.lease_until < now()
            ? transition(row, { type: 'expire' }, now(), retryPolicy)
            : undefined,
        { skipLocked: true },
      );
      for (const { after } of changed) {
        metrics.leaseExpired?.(after.task_type);
        if (after.status === 'queued') requeued += 1;
        else failed += 1;
      }
      if (changed.length === 0) break;
    }
    return { requeued, failed };
  }

  /** Puts jobs whose retry delay is over among those that can be claimed. */
  async promote(): Promise<number> {
    const { database, now } = this.#context;
    const due = await database.kysely
      .selectFrom('jobs')
      .select('seq')
      .where('status', '=', 'queued')
      .where('run_after', '<=', now())
      .orderBy('run_after')
      .limit(BATCH_SIZE)
      .execute();
    if (due.length === 0) return 0;
    const { numUpdatedRows } = await database.kysely
      .updateTable('jobs')
      .set({ run_after: null })
      .where(
        'seq',
        'in',
        due.map(({ seq }) => seq),
      )
      .where('status', '=', 'queued')
      .executeTakeFirstOrThrow();
    return Number(numUpdatedRows);
  }
}
