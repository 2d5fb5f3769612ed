import type { Migration } from '@cl-server/service-kit';

/**
 * Since this migration reading needs a login. A database that is older keeps its behaviour: reading is open until the
 * setting or an admin changes that. The value has its own key, because both take precedence over it (see `preferences.ts`).
 */
export const store0003: Migration = {
  name: '0003_reading',
  up: async (db, _dialect, isNew) => {
    if (isNew) return;
    await db
      .insertInto('service_config')
      .values({ key: 'store.read_auth_default', value: 'false', updated_at: Date.now(), updated_by: null })
      .onConflict((conflict) => conflict.column('key').doNothing())
      .execute();
  },
};
