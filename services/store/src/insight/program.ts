/** `m-insight-worker`: the insight worker on the databases and the media folder of a store. */
import { type InsightStore, startInsightWorker } from '@cl-server/insight/worker';
import type { ConfigSources, RunningProgram } from '@cl-server/service-kit';
import { openStoreDatabases } from '../database/open.js';
import { writeTransactions } from '../database/transaction.js';
import { mediaFolderIdentity } from '../files/identity.js';
import { MediaFolder } from '../files/media-folder.js';
import { entityFeed } from './entity-feed.js';
import { videoPreview } from './video-preview.js';

/** @returns undefined if only the help was requested */
export const startStoreInsightWorker = (sources: ConfigSources): Promise<RunningProgram | undefined> =>
  startInsightWorker(sources, async (settings, { dataDir, folders }): Promise<InsightStore> => {
    const databases = openStoreDatabases(settings, dataDir);
    await databases.prepare(settings.migrate);
    const { store, jobs } = databases;
    const media = new MediaFolder(folders.media);
    const identity = mediaFolderIdentity(store, media.root, Date.now);
    return {
      database: store,
      jobDatabase: jobs,
      write: writeTransactions(store, Date.now),
      feed: entityFeed(store, media.blobs),
      media,
      insights: [videoPreview(media.blobs)],
      mismatch: () => identity.mismatch(),
      close: () => databases.close(),
    };
  });
