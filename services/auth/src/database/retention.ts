/** Removes what has had its time: old audit entries, and revocations of tokens that have all expired. */
import type { Logger } from '@cl-server/service-kit';
import { MAX_TOKEN_MINUTES } from '../settings.js';
import type { AuthDatabase } from './tables.js';

export interface RetentionOptions {
  readonly database: AuthDatabase;
  /** Days that audit entries are kept; 0: for ever. */
  readonly auditDays: number;
  readonly logger: Logger;
  readonly now: () => number;
}

const DAY = 86_400_000;
const INTERVAL = DAY / 4;
/** The longest life that the setting allows, and a day: the token may have been issued under another setting. */
const LONGEST_TOKEN = MAX_TOKEN_MINUTES * 60_000 + DAY;
/** Short transactions: logins write to the same database. */
const BATCH = 1_000;

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
        this.#options.logger.error({ err: error }, 'old audit entries and revocations were not removed'),
      );
    };
    sweep();
    this.#timer = setInterval(sweep, INTERVAL);
    this.#timer.unref();
    return this;
  }

  async sweep(): Promise<void> {
    const { auditDays, now, logger } = this.#options;
    const revocations = await this.#remove('revocations', 'seq', now() - LONGEST_TOKEN);
    const entries = auditDays === 0 ? 0 : await this.#remove('audit', 'id', now() - auditDays * DAY);
    if (revocations + entries > 0) logger.info({ revocations, audit: entries }, 'what has had its time was removed');
  }

  async #remove(table: 'audit' | 'revocations', id: 'id' | 'seq', before: number): Promise<number> {
    const { kysely } = this.#options.database;
    let removed = 0;
    for (;;) {
      const old = kysely.selectFrom(table).select(kysely.dynamic.ref(id)).where('at', '<', before).limit(BATCH);
      const { numDeletedRows } = await kysely
        .deleteFrom(table)
        .where(kysely.dynamic.ref(id), 'in', old)
        .executeTakeFirst();
      removed += Number(numDeletedRows);
      if (Number(numDeletedRows) < BATCH) return removed;
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#running;
  }
}
