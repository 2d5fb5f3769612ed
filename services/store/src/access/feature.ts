/** Permissions, guest mode and signed URLs: the rules about who may do what. */
import type { Guard } from '@cl-server/contract';
import {
  type App,
  type Authorize,
  createAuthorizer,
  type Logger,
  noRevocations,
  type Openness,
} from '@cl-server/service-kit';
import type { Feature, StoreContext } from '../context.js';
import { ReadAuth } from './read-auth.js';
import { ReadingAnnouncer } from './reading-announcer.js';
import { serveAdmin } from './routes.js';
import { UrlSigner } from './signed-urls.js';

export interface Access extends Feature {
  readonly authorize: Authorize;
  readonly signer: UrlSigner;
  /** Adds the routes. The app needs `authorize` when it is created, so this comes later. */
  serve(app: App): void;
}

export async function createAccess(context: StoreContext): Promise<Access> {
  const { db, reader, rights, events, jobService, userOf, now, options } = context;
  const { credential, logger, noAuth = false } = options;
  const readAuth = new ReadAuth(db, options.readAuth, now);
  if (!noAuth) await warnOfOpenReading(readAuth, logger);
  const openness = async (guard: Guard): Promise<Openness> => {
    if (noAuth) return 'open';
    if (guard === 'read' || guard === 'media') return (await readAuth.isOn()) ? 'closed' : 'public-but-checked';
    return guard === 'compute' && (await jobService.guestMode.isOn()) ? 'open' : 'closed';
  };
  const announcer = new ReadingAnnouncer({
    broadcaster: options.broadcaster,
    isOpen: async () => noAuth || !(await readAuth.isOn()),
    logger,
  });
  return {
    authorize: createAuthorizer({ verifier: options.verifier, credential, openness }),
    signer: new UrlSigner({
      secret: credential,
      revocations: options.revocations ?? noRevocations,
      mayRead: (user) => rights.mayRead(user),
      find: (id) => reader.find(id),
      isInTrash: (row) => reader.isInTrash(row),
      now,
    }),
    serve: (app) =>
      serveAdmin(app, { readAuth, topics: () => events.topics, userOf, logger, onChange: () => announcer.announce() }),
    start: () => announcer.start(events.port),
    close: () => announcer.close(),
  };
}

/** Logs a warning at each start if reading is open to everyone. */
async function warnOfOpenReading(readAuth: ReadAuth, logger: Logger): Promise<void> {
  const { guest_mode, decidedBy } = await readAuth.state();
  if (!guest_mode) return;
  const close = 'close it with PUT /admin/pref/guest-mode, guest_mode=false';
  logger.warn(
    decidedBy === 'earlier release'
      ? `this data folder was made when reading was open by default: everyone may read; ${close}`
      : `guest mode is on: everyone may read, as set by ${decidedBy === 'admin' ? 'an admin' : 'READ_AUTH_ENABLED'}; ${close}`,
  );
}
