import {
  auditStore,
  clearOrphans,
  getStorageUse,
  purgeTrash as purgeTrashEndpoint,
  type StorageUse,
} from '@cl-server/contract';
import { INSIGHT_OWNER } from '@cl-server/insight';
import type { Usage, UserUsage } from '@cl-server/jobs';
import type { App } from '@cl-server/service-kit';
import type { Kysely } from 'kysely';
import type { UserOf } from '../access/rights.js';
import type { StoreTables } from '../database/tables.js';
import { type Limits, userOfUsage } from '../database/usage.js';
import type { EntityService } from '../entities/service.js';
import type { MediaFolder } from '../files/media-folder.js';
import { STREAM_OWNER } from '../streams/streams.js';
import type { Audit } from './audit.js';
import { purgeTrash } from './trash.js';

export interface SystemRoutesOptions {
  readonly db: Kysely<StoreTables>;
  readonly audit: Audit;
  readonly entities: EntityService;
  readonly folder: MediaFolder;
  readonly limits: Limits;
  readonly usage: Pick<Usage, 'list'>;
  readonly userOf: UserOf;
  /** Milliseconds. */
  readonly now: () => number;
}

const DAY = 86_400_000;

export function serveSystem(app: App, options: SystemRoutesOptions): void {
  const { db, audit, entities, folder, limits, usage, userOf, now } = options;
  app.handle(auditStore, ({ query }) => audit.run(query.verify));

  app.handle(clearOrphans, ({ query }) => audit.clear(query.confirm));

  app.handle(purgeTrashEndpoint, ({ form, user }) =>
    purgeTrash(db, entities, userOf(user), now() - (form?.days ?? 30) * DAY),
  );

  app.handle(getStorageUse, async () => {
    const [counters, users, files, disk, jobs] = await Promise.all([
      db.selectFrom('store_counters').selectAll().execute(),
      db.selectFrom('usage').selectAll().where('entities', '>', 0).orderBy('bytes', 'desc').limit(1_000).execute(),
      db
        .selectFrom('files')
        .select(({ fn }) => fn.countAll<number>().as('n'))
        .executeTakeFirstOrThrow(),
      folder.blobs.space(),
      usage.list(),
    ]);
    const value = (name: string): number => counters.find((counter) => counter.name === name)?.value ?? 0;
    return {
      files: files.n,
      bytes: value('bytes'),
      entities: value('entities'),
      deleted_entities: value('entities') - value('entities_live'),
      free_bytes: disk?.free ?? null,
      users: partsOf(
        users.map(({ user_id, entities, bytes }) => ({ user_id: userOfUsage(user_id), entities, bytes })),
        jobs,
        limits.userBytes > 0 ? limits.userBytes : null,
      ),
    };
  });
}

/** Owners of the platform's own jobs, which no budget holds for. */
const PLATFORM: readonly unknown[] = [INSIGHT_OWNER, STREAM_OWNER];

type OfUser = StorageUse['users'][number];

function partsOf(
  entities: readonly Pick<OfUser, 'user_id' | 'entities' | 'bytes'>[],
  jobs: readonly UserUsage[],
  quota: number | null,
): OfUser[] {
  const users = new Map(entities.map((row) => [row.user_id, row]));
  const others = new Map(jobs.map((row) => [row.user, row]));
  return [...new Set([...users.keys(), ...others.keys()])].flatMap((user_id) => {
    const { input_bytes = 0, result_bytes = 0, upload_bytes = 0, stream_bytes = 0 } = others.get(user_id) ?? {};
    const { entities = 0, bytes = 0 } = users.get(user_id) ?? {};
    const total_bytes = bytes + input_bytes + result_bytes + upload_bytes + stream_bytes;
    if (entities === 0 && total_bytes === 0) return [];
    const ofJobs = { job_input_bytes: input_bytes, job_result_bytes: result_bytes };
    const parts = { ...ofJobs, upload_bytes, stream_bytes, total_bytes };
    return [{ user_id, entities, bytes, ...parts, quota: PLATFORM.includes(user_id) ? null : quota }];
  });
}
