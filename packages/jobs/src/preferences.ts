import type { Kysely } from 'kysely';
import type { JobTables } from './tables.js';

/** A service's preferences: values by key, with who set them and when. */
export interface Preferences {
  get(key: string): Promise<Preference | undefined>;
  set(key: string, value: string, updatedBy: string | null): Promise<Preference>;
}
export interface Preference {
  readonly value: string;
  readonly updated_at: number;
  readonly updated_by: string | null;
}

/** Preferences in the table `service_config`; read each time, so that every process sees a change at once. */
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
