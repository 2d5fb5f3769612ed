/** The tasks of admins: audit, clean-up, trash and storage use. */
import type { BlobStore } from '@cl-server/blobs';
import type { InsightService, Orphans } from '@cl-server/insight';
import type { App } from '@cl-server/service-kit';
import type { Feature, StoreContext } from '../context.js';
import type { EntityService } from '../entities/service.js';
import { Audit } from './audit.js';
import { serveSystem } from './routes.js';
import { Sweeper } from './sweeper.js';

export interface SystemNeeds {
  readonly entities: EntityService;
  /** Files that nothing refers to any more. */
  readonly orphans: readonly Orphans<string>[];
  readonly insight: InsightService;
  /** The stores whose unfinished files are removed. */
  readonly blobs: readonly BlobStore[];
}

export function createSystem(context: StoreContext, app: App, needs: SystemNeeds): Feature {
  const { db, folder, identity, limits, jobs, userOf, now, options } = context;
  const { crops, ...orphans } = needs.insight.orphans;
  const audit = new Audit({ db, folder, identity, files: [...needs.orphans, crops], ...orphans, now });
  const sweeper = new Sweeper({
    orphans: orphans.jobs,
    blobs: context.ownsFolder ? needs.blobs : [],
    logger: options.logger,
  });
  serveSystem(app, { db, audit, entities: needs.entities, folder, limits, usage: jobs.usage, userOf, now });
  return { start: () => sweeper.start(), close: () => sweeper.close() };
}
