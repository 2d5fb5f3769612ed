import fs from 'node:fs/promises';
import { auditStore, clearOrphans, getStorageUse, purgeTrash as purgeTrashEndpoint } from '@cl-server/contract';
import type { App } from '@cl-server/runtime';
import type { Kysely } from 'kysely';
import type { StoreTables } from '../database/tables.js';
import { type Limits, userOfUsage } from '../database/usage.js';
import type { EntityService } from '../entities/service.js';
import type { MediaFolder } from '../files/media-folder.js';
import type { Audit } from '../system/audit.js';
import { purgeTrash } from '../system/trash.js';
import type { UserOf } from './entities.js';

export interface SystemRoutesOptions {
  readonly db: Kysely<StoreTables>;
  readonly audit: Audit;
  readonly entities: EntityService;
  readonly folder: MediaFolder;
  readonly limits: Limits;
  readonly userOf: UserOf;
  /** Milliseconds. */
  readonly now: () => number;
}

const DAY = 86_400_000;

export function serveSystem(app: App, options: SystemRoutesOptions): void {
  const { db, audit, entities, folder, limits, userOf, now } = options;
  app.handle(auditStore, ({ query }) => audit.run(query.verify));

  app.handle(clearOrphans, ({ query }) => audit.clear(query.confirm));

  app.handle(purgeTrashEndpoint, ({ form, user }) =>
    purgeTrash(db, entities, userOf(user), now() - (form?.days ?? 30) * DAY),
  );

  app.handle(getStorageUse, async () => {
    const [counters, users, files, disk] = await Promise.all([
      db.selectFrom('store_counters').selectAll().execute(),
      db.selectFrom('usage').selectAll().where('entities', '>', 0).orderBy('bytes', 'desc').limit(1_000).execute(),
      db
        .selectFrom('files')
        .select(({ fn }) => fn.countAll<number>().as('n'))
        .executeTakeFirstOrThrow(),
      fs.statfs(folder.root).catch(() => undefined),
    ]);
    const value = (name: string): number => counters.find((counter) => counter.name === name)?.value ?? 0;
    return {
      files: files.n,
      bytes: value('bytes'),
      entities: value('entities'),
      deleted_entities: value('entities') - value('entities_live'),
      free_bytes: disk ? disk.bavail * disk.bsize : null,
      users: users.map((row) => ({
        user_id: userOfUsage(row.user_id),
        entities: row.entities,
        bytes: row.bytes,
        quota: limits.userBytes > 0 ? limits.userBytes : null,
      })),
    };
  });
}
