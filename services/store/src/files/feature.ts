/** The bytes of media: contents, previews, and the metadata that is read from them. */
import type { Orphans } from '@cl-server/insight';
import type { App } from '@cl-server/service-kit';
import type { UrlSigner } from '../access/signed-urls.js';
import type { Feature, StoreContext } from '../context.js';
import { MediaProcesses } from '../media/reading.js';
import type { Streams } from '../streams/streams.js';
import { Contents } from './contents.js';
import { type FactsListener, noteDamage } from './late-facts.js';
import { OrphanedFiles } from './orphaned-files.js';
import { OrphanedPreviews } from './orphaned-previews.js';
import { Previews } from './previews.js';
import { serveMedia } from './routes.js';
import { SetAside } from './set-aside.js';
import { TagReader } from './tag-reader.js';

export interface Files extends Feature {
  readonly contents: Contents;
  readonly previews: Previews;
  readonly tagReader: TagReader;
  /** Files that nothing refers to any more. */
  readonly orphans: readonly Orphans<string>[];
}

const ORPHAN_GRACE_MS = 30 * 86_400_000;

/** Finishes or undoes what an earlier process left unfinished. */
export async function createFiles(
  context: StoreContext,
  app: App,
  { signer, streams }: { readonly signer: UrlSigner; readonly streams: Streams },
): Promise<Files> {
  const { db, write, folder, identity, events, reader, rights, now, options } = context;
  const { logger, tools, maxImagePixels: maxPixels, orphanGraceMs: graceMs = ORPHAN_GRACE_MS } = options;
  const { blobs } = folder;
  const reading = new MediaProcesses({ ...tools, maxPixels, logger });
  const onFacts: FactsListener = (entity) => events.changed(entity, 'updated');
  const previews = new Previews({
    blobs,
    reading,
    onDamage: (sha256, remark) => write(null, (tx) => noteDamage(tx, sha256, remark, onFacts)),
  });
  const setAside = new SetAside({ blobs, graceMs, logger, now });
  const contents = new Contents({
    folder,
    identity,
    setAside,
    db,
    write,
    reading,
    logger,
    onFreed: async (sha256) => {
      await Promise.all([previews.remove(sha256), streams.remove(sha256)]);
    },
  });
  const tagReader = new TagReader({ db, write, reading, blobs, onCorrected: onFacts, logger });
  await contents.recover();
  serveMedia(app, { reader, blobs, previews, signer, rights });
  return {
    contents,
    previews,
    tagReader,
    orphans: [new OrphanedFiles(db, contents), new OrphanedPreviews(db, blobs, write)],
    start: () => {
      tagReader.wake();
      void setAside.sweep();
    },
    close: async () => {
      setAside.close();
      // The reader of tags is closed first, so that it does not take the end of its process for a fault of the file.
      const tagsRead = tagReader.close();
      await reading.close();
      await tagsRead;
      await contents.close();
    },
  };
}
