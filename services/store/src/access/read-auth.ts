/**
 * Whether reading needs the permission. In the order of precedence the choice of an admin decides, the setting
 * `READ_AUTH_ENABLED`, the default of the release that made the database, and otherwise it does. The choice is kept in the
 * database; every process reads it again after two seconds.
 */
import type { StorePreferences } from '@cl-server/contract';
import type { Kysely } from 'kysely';
import type { StoreTables } from '../database/tables.js';

const CHOICE = 'store.read_auth_enabled';
/** Written by migration 0003 if the database is older than the migration. */
const EARLIER_DEFAULT = 'store.read_auth_default';
const MAX_AGE_MS = 2_000;

export interface ReadAuthState extends StorePreferences {
  readonly decidedBy: 'admin' | 'setting' | 'earlier release' | 'default';
}

export class ReadAuth {
  #cached: { readonly on: boolean; readonly at: number } | undefined;
  #pending: Promise<ReadAuthState> | undefined;

  /**
   * @param setting undefined if it is not set
   * @param now milliseconds
   */
  constructor(
    private readonly db: Kysely<StoreTables>,
    private readonly setting: boolean | undefined,
    private readonly now: () => number,
  ) {}

  /** Fails if the database fails, so that nobody gets access by accident. */
  async isOn(): Promise<boolean> {
    const cached = this.#cached;
    if (cached && this.now() - cached.at < MAX_AGE_MS) return cached.on;
    this.#pending ??= this.state().finally(() => {
      this.#pending = undefined;
    });
    return !(await this.#pending).guest_mode;
  }

  /** Reads the stored state for the admin endpoint and ignores the cache. */
  async read(): Promise<StorePreferences> {
    const { guest_mode, updated_at, updated_by } = await this.state();
    return { guest_mode, updated_at, updated_by };
  }

  async state(): Promise<ReadAuthState> {
    const at = this.now();
    const rows = await this.db
      .selectFrom('service_config')
      .selectAll()
      .where('key', 'in', [CHOICE, EARLIER_DEFAULT])
      .execute();
    const choice = rows.find(({ key }) => key === CHOICE);
    const earlier = rows.find(({ key }) => key === EARLIER_DEFAULT);
    const [on, decidedBy] = choice
      ? ([choice.value === 'true', 'admin'] as const)
      : this.setting !== undefined
        ? ([this.setting, 'setting'] as const)
        : earlier
          ? ([earlier.value === 'true', 'earlier release'] as const)
          : ([true, 'default'] as const);
    this.#cached = { on, at };
    return {
      guest_mode: !on,
      updated_at: choice?.updated_at ?? null,
      updated_by: choice?.updated_by ?? null,
      decidedBy,
    };
  }

  async set(on: boolean, updatedBy: string | null): Promise<void> {
    const row = { value: String(on), updated_at: this.now(), updated_by: updatedBy };
    await this.db
      .insertInto('service_config')
      .values({ key: CHOICE, ...row })
      .onConflict((conflict) => conflict.column('key').doUpdateSet(row))
      .execute();
    this.#cached = { on, at: this.now() };
  }
}
