import type { Kysely } from 'kysely';
import type { JobTables } from './tables.js';
import type { Preference, Preferences } from './types.js';

/** Preferences in the table `service_config`; read anew each time, so that every process sees a change at once. */
export class SqlPreferences implements Preferences {
  readonly #kysely: Kysely<JobTables>;
  readonly #now: () => number;

  constructor(kysely: Kysely<JobTables>, now: () => number) {
    this.#kysely = kysely;
    this.#now = now;
  }

  get(key: string): Promise<Preference | undefined> {
    return this.#kysely
      .selectFrom('service_config')
      .select(['value', 'updated_at', 'updated_by'])
      .where('key', '=', key)
      .executeTakeFirst();
  }

  async set(key: string, value: string, updatedBy: string | null): Promise<Preference> {
    const preference = { value, updated_at: this.#now(), updated_by: updatedBy };
    await this.#kysely
      .insertInto('service_config')
      .values({ key, ...preference })
      .onConflict((conflict) => conflict.column('key').doUpdateSet(preference))
      .execute();
    return preference;
  }
}
