/** HLS streams of videos, which jobs make on demand. */
import path from 'node:path';
import { type BlobStore, LocalBlobStore } from '@cl-server/blobs';
import { JobCreation } from '@cl-server/job-routes';
import type { App } from '@cl-server/service-kit';
import type { Kysely } from 'kysely';
import type { UrlSigner } from '../access/signed-urls.js';
import type { Feature, StoreContext } from '../context.js';
import type { StoreTables } from '../database/tables.js';
import { StreamMeter } from './meter.js';
import { serveStreams } from './routes.js';
import { MAX_QUEUED_STREAMS, Streams } from './streams.js';
import { StreamUsage } from './usage.js';

export interface StreamsFeature extends Feature {
  readonly streams: Streams;
  readonly blobs: BlobStore;
}

export function createStreams(
  context: StoreContext,
  app: App,
  { signer }: { readonly signer: UrlSigner },
): StreamsFeature {
  const { db, budget, folder, jobs, jobService, reader, rights, now, options } = context;
  const { logger, streamsDir, tasks } = options;
  const blobs = new LocalBlobStore(path.resolve(streamsDir));
  const streams = new Streams({
    media: folder.blobs,
    blobs,
    jobs,
    creation: new JobCreation({
      repository: jobs.repository,
      storage: jobs.storage,
      identity: jobs.identity,
      mediaDir: folder.root,
      streamsDir,
      maxQueued: MAX_QUEUED_STREAMS,
    }),
    tasks,
    availability: (task) => jobService.workers.availability(task),
    usage: new StreamUsage({ db, budget, usage: jobs.usage }),
    logger,
    now,
  });
  const meter = new StreamMeter({ streams, logger, every: options.countStreamsEvery });
  let sweeping: Promise<unknown> = Promise.resolve();
  serveStreams(app, { reader, streams, blobs, signer, rights });
  return {
    streams,
    blobs,
    start: () => {
      meter.start();
      if (!context.ownsFolder) return;
      sweeping = removeOrphanedStreams(db, streams).catch((error: unknown) => {
        logger.error({ err: error }, 'streams of deleted contents could not be removed; the next start removes them');
      });
    },
    close: async () => {
      await sweeping;
      await meter.close();
    },
  };
}

const BATCH_SIZE = 500;

/** Removes streams of deleted contents, which a process that died may have left. @returns the number of removed streams */
async function removeOrphanedStreams(
  db: Kysely<StoreTables>,
  streams: Pick<Streams, 'contents' | 'remove'>,
): Promise<number> {
  const contents = await streams.contents();
  let removed = 0;
  for (let from = 0; from < contents.length; from += BATCH_SIZE) {
    const group = contents.slice(from, from + BATCH_SIZE);
    const rows = await db.selectFrom('files').select('sha256').where('sha256', 'in', group).execute();
    const known = new Set(rows.map(({ sha256 }) => sha256));
    for (const sha256 of group) {
      if (known.has(sha256)) continue;
      await streams.remove(sha256);
      removed++;
    }
  }
  return removed;
}
