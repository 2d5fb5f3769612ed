/** HLS streams of videos, which jobs make on demand. */
import path from 'node:path';
import { type BlobStore, LocalBlobStore } from '@cl-server/blobs';
import { JobCreation } from '@cl-server/job-routes';
import type { App } from '@cl-server/service-kit';
import type { UrlSigner } from '../access/signed-urls.js';
import type { Feature, StoreContext } from '../context.js';
import { StreamMeter } from './meter.js';
import { serveStreams } from './routes.js';
import { MAX_QUEUED_STREAMS, Streams } from './streams.js';
import { removeOrphanedStreams } from './sweep.js';
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
