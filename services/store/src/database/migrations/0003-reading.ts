import type { Migration } from '@cl-server/service-kit';

/**
 * Reading needs a login since this migration. A database that was made before keeps what it had: reading is open until the
 * setting or an admin says otherwise. A key of its own, so that it weighs less than both (see `preferences.ts`).
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
