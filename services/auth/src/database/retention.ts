/** Removes expired rows: old audit entries and sessions, and revocations of tokens that have all expired. */
import type { Logger } from '@cl-server/service-kit';
import { MAX_TOKEN_MINUTES } from '../settings.js';
import type { AuthDatabase } from './tables.js';

export interface RetentionOptions {
  readonly database: AuthDatabase;
  /** Days for which audit entries are kept; 0 keeps them for ever. */
  readonly auditDays: number;
  /** Milliseconds after its last use at which a session ends. */
  readonly sessionIdle: number;
  /** Milliseconds after its start at which a session ends. */
  readonly sessionMaxAge: number;
  readonly logger: Logger;
  readonly now: () => number;
}

const DAY_MS = 86_400_000;
const SWEEP_INTERVAL_MS = DAY_MS / 4;
/** The longest token lifetime that the setting allows, plus a day: the token may have been issued under another setting. */
const MAX_TOKEN_LIFETIME_MS = MAX_TOKEN_MINUTES * 60_000 + DAY_MS;
/** A batch is small so that its transaction is short: logins write to the same database. */
const BATCH_SIZE = 1_000;

type Table = 'audit' | 'revocations' | 'sessions' | 'ended_credentials';

export class Retention {
  readonly #options: RetentionOptions;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> = Promise.resolve();

  constructor(options: RetentionOptions) {
    this.#options = options;
  }

  /** Sweeps now and every six hours. */
  start(): this {
    const sweep = (): void => {
      this.#running = this.sweep().catch((error: unknown) =>
        this.#options.logger.error({ err: error }, 'could not remove expired sessions, audit entries and revocations'),
      );
    };
    sweep();
    this.#timer = setInterval(sweep, SWEEP_INTERVAL_MS);
    this.#timer.unref();
    return this;
  }

  async sweep(): Promise<void> {
    const { auditDays, sessionIdle, sessionMaxAge, now, logger } = this.#options;
    const sessions =
      (await this.#remove('sessions', 'id', 'last_used_at', now() - sessionIdle)) +
      (await this.#remove('sessions', 'id', 'created_at', now() - sessionMaxAge));
    const revocations =
      (await this.#remove('revocations', 'seq', 'at', now() - MAX_TOKEN_LIFETIME_MS)) +
      (await this.#remove('ended_credentials', 'seq', 'until', now() - DAY_MS));
    const entries = auditDays === 0 ? 0 : await this.#remove('audit', 'id', 'at', now() - auditDays * DAY_MS);
    if (sessions + revocations + entries > 0)
      logger.info({ sessions, revocations, audit: entries }, 'removed expired sessions, audit entries and revocations');
  }

  async #remove(table: Table, id: string, time: string, before: number): Promise<number> {
    const { kysely } = this.#options.database;
    let removed = 0;
    for (;;) {
      const old = kysely
        .selectFrom(table)
        .select(kysely.dynamic.ref(id))
        .where(kysely.dynamic.ref(time), '<', before)
        .limit(BATCH_SIZE);
      const { numDeletedRows } = await kysely
        .deleteFrom(table)
        .where(kysely.dynamic.ref(id), 'in', old)
        .executeTakeFirst();
      removed += Number(numDeletedRows);
      if (Number(numDeletedRows) < BATCH_SIZE) return removed;
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#running;
  }
}
