/** Whether reading needs the right: kept in the database, looked at again after two seconds by every process. */
import type { StorePreferences } from '@cl-server/contract';
import type { Kysely } from 'kysely';
import type { StoreTables } from './database/tables.js';

const KEY = 'store.read_auth_enabled';
const MAX_AGE = 2_000;

export class ReadAuth {
  #cached: { readonly on: boolean; readonly at: number } | undefined;
  #pending: Promise<StorePreferences> | undefined;

  /**
   * @param initially what counts until an admin decides
   * @param now milliseconds
   */
  constructor(
    private readonly db: Kysely<StoreTables>,
    private readonly initially: boolean,
    private readonly now: () => number,
  ) {}

  /** Fails where the database does: nobody is let in by accident. */
  async isOn(): Promise<boolean> {
    const cached = this.#cached;
    if (cached && this.now() - cached.at < MAX_AGE) return cached.on;
    this.#pending ??= this.read().finally(() => {
      this.#pending = undefined;
    });
    return !(await this.#pending).guest_mode;
  }

  /** What is stored, whatever is cached. */
  async read(): Promise<StorePreferences> {
    const at = this.now();
    const stored = await this.db.selectFrom('service_config').selectAll().where('key', '=', KEY).executeTakeFirst();
    const on = stored ? stored.value === 'true' : this.initially;
    this.#cached = { on, at };
    return { guest_mode: !on, updated_at: stored?.updated_at ?? null, updated_by: stored?.updated_by ?? null };
  }

  async set(on: boolean, updatedBy: string | null): Promise<void> {
    const row = { value: String(on), updated_at: this.now(), updated_by: updatedBy };
    await this.db
      .insertInto('service_config')
      .values({ key: KEY, ...row })
      .onConflict((conflict) => conflict.column('key').doUpdateSet(row))
      .execute();
    this.#cached = { on, at: this.now() };
  }
}
