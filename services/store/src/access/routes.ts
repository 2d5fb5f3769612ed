import {
  getStorePreferences,
  getStoreRoot,
  STORE_API,
  type StoreRoot,
  type StoreTopics,
  setStoreGuestMode,
} from '@cl-server/contract';
import type { App, Logger } from '@cl-server/service-kit';
import type { ReadAuth } from './read-auth.js';
import type { UserOf } from './rights.js';

export interface AdminRoutesOptions {
  readonly readAuth: ReadAuth;
  readonly topics: () => StoreTopics;
  readonly userOf: UserOf;
  readonly logger: Logger;
  /** Called after guest mode was changed. */
  readonly onChange: () => Promise<void>;
}

export function serveAdmin(app: App, { readAuth, topics, userOf, logger, onChange }: AdminRoutesOptions): void {
  app.handle(
    getStoreRoot,
    async (): Promise<StoreRoot> => ({
      status: 'healthy',
      service: 'CoLAN Store Server',
      version: STORE_API.version,
      guestMode: (await readAuth.isOn()) ? 'off' : 'on',
      topics: topics(),
    }),
  );

  app.handle(getStorePreferences, () => readAuth.read());

  app.handle(setStoreGuestMode, async ({ form, user }) => {
    await readAuth.set(!form.guest_mode, userOf(user));
    logger.warn(
      { guest_mode: form.guest_mode, by: userOf(user) },
      'guest mode was changed; if it is on, anyone may read',
    );
    await onChange();
    return { guest_mode: form.guest_mode, message: 'Configuration updated successfully' };
  });
}
