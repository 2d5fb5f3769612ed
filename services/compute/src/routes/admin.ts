/** Endpoints for admins: storage, clean-up, guest mode. */
import { cleanupJobs, getGuestMode, getPreferences, getStorageSize, setGuestMode } from '@cl-server/contract';
import type { GuestMode } from '@cl-server/job-routes';
import type { JobEngine } from '@cl-server/jobs';
import type { App, Logger } from '@cl-server/service-kit';

export interface AdminOptions {
  readonly jobs: Pick<JobEngine, 'repository' | 'storage'>;
  readonly guestMode: GuestMode;
  readonly logger: Logger;
  /** Milliseconds. */
  readonly now: () => number;
}

const DAY = 86_400_000;

export function serveAdmin(app: App, { jobs, guestMode, logger, now }: AdminOptions): void {
  app.handle(getStorageSize, () => jobs.storage.size());

  app.handle(cleanupJobs, async ({ query: { days }, user }) => {
    const result = await jobs.repository.cleanup(now() - days * DAY);
    logger.info({ days, by: user?.id ?? null, ...result }, 'ended jobs removed');
    return result;
  });

  app.handle(getPreferences, () => guestMode.read());
  app.handle(getGuestMode, async () => ({ guest_mode: (await guestMode.read()).guest_mode }));

  app.handle(setGuestMode, async ({ form: { guest_mode }, user }) => {
    await guestMode.set(guest_mode, user?.id ?? null);
    logger[guest_mode ? 'warn' : 'info'](
      { by: user?.id ?? null },
      guest_mode ? 'guest mode on: anyone may create jobs' : 'guest mode off: jobs need a token',
    );
    return { guest_mode, message: 'Configuration updated successfully' };
  });
}
