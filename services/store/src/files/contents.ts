/** Keeps each content of uploads once, and frees it when no version of an entity refers to it. */
import { KeyedLock } from '@cl-server/kit';
import {
  type FolderIdentity,
  type Logger,
  type ReceivedFile,
  safeFileName,
  shownFileName,
} from '@cl-server/service-kit';
import type { Kysely } from 'kysely';
import { factsOf } from '../database/facts.js';
import type { ContentFacts, FileRow, StoreTables } from '../database/tables.js';
import type { RunWrite, WriteTransaction } from '../database/transaction.js';
import type { MediaReading } from '../media/reading.js';
import { MediaFolder } from './media-folder.js';
import type { SetAside } from './set-aside.js';

/** A completely received file of any origin. */
export type Received = Pick<ReceivedFile, 'filename' | 'path' | 'size' | 'md5' | 'sha256'>;

/** A content that a change may keep. */
export interface OfferedContent {
  /** The name that this upload came with. */
  readonly name: string;
  /** Keeps the content. The change must refer to the row in a version. A content that is not claimed is removed. */
  claim(): Promise<FileRow>;
}

/** Runs in the transaction in which the row of the content is made. */
type Change<T> = (tx: WriteTransaction, content: OfferedContent) => Promise<T>;

export interface ContentsOptions {
  readonly folder: MediaFolder;
  /** Nothing is written to or removed from a folder of another database. */
  readonly identity: Pick<FolderIdentity, 'mismatch' | 'assertMatch'>;
  readonly setAside: Pick<SetAside, 'take'>;
  readonly db: Kysely<StoreTables>;
  readonly write: RunWrite;
  readonly reading: Pick<MediaReading, 'facts'>;
  readonly logger: Logger;
  /** Called for each removed content, so that everything made from it is removed, too. */
  readonly onFreed?: (sha256: string) => Promise<void>;
}

export class Contents {
  readonly #options: ContentsOptions;
  /** Locks each MD5, so that files are never placed and removed in the same folder at the same time. */
  readonly #lock = new KeyedLock();
  #removing: Promise<void> = Promise.resolve();
  #closing = false;

  constructor(options: ContentsOptions) {
    this.#options = options;
  }

  get folder(): MediaFolder {
    return this.#options.folder;
  }

  /**
   * Keeps a file together with the change that claims it: both are there afterwards, or neither.
   * @returns the result of the change
   */
  async keep<T>(actor: string | null, received: Received, change: Change<T>): Promise<T> {
    const { db, reading, identity } = this.#options;
    await identity.assertMatch();
    const facts = (await findContent(db, received.sha256)) ?? {
      ...(await reading.facts(received.path)),
      md5: received.md5,
      file_size: received.size,
    };
    const fallback = `file.${facts.extension}`;
    const names = {
      path: safeFileName(received.filename, fallback),
      shown: shownFileName(received.filename, fallback),
    };
    return this.#lock.run(received.md5, async () => {
      for (let tries = 0; ; tries++) {
        const kept = await this.#keepOnce(actor, received, facts, names, change);
        if (kept !== FREED) return kept;
        // A content can only be freed once in between: nobody else adds it while the lock is held.
        if (tries > 0) throw new Error('a content was freed twice while it was being kept');
      }
    });
  }

  async #keepOnce<T>(
    actor: string | null,
    received: Received,
    facts: ContentFacts,
    names: { readonly path: string; readonly shown: string },
    change: Change<T>,
  ): Promise<T | typeof FREED> {
    const { db, write, folder } = this.#options;
    const target = await placeFor(db, received, names.path);
    const placement = target === undefined ? undefined : await folder.place(received.path, received.md5, target);
    let isKept = false;
    try {
      return await write(actor, async (tx) => {
        const known = await findContent(tx.db, received.sha256);
        if (!known && !placement) return FREED;
        return change(tx, {
          name: names.shown,
          claim: async () => {
            const row = known ?? (await insertContent(tx, received.sha256, facts, placement?.path ?? ''));
            isKept = row.path === placement?.path;
            return row;
          },
        });
      });
    } catch (error) {
      isKept = false;
      throw error;
    } finally {
      // A file without a row is removed, whether or not the transaction failed.
      if (placement && !isKept) await this.#removeIfFree(placement.path, this.#delete, received.sha256);
      await placement?.done();
    }
  }

  readonly #delete = (path: string): Promise<void> => this.#options.folder.blobs.delete(path);

  /** Checks and removes under the write lock, so that no upload can refer to the file in between. */
  async #removeIfFree(path: string, remove: (path: string) => Promise<void>, sha256?: string): Promise<boolean> {
    const { write, onFreed, identity, logger } = this.#options;
    try {
      if ((await identity.mismatch()) !== undefined) return false;
      const hasRow = (on: Kysely<StoreTables>) =>
        on.selectFrom('files').select('sha256').where('path', '=', path).executeTakeFirst();
      const freed = await write(null, async (tx) => {
        await tx.db.deleteFrom('pending_removals').where('path', '=', path).execute();
        if (await hasRow(tx.db)) return false;
        await remove(path);
        return true;
      });
      if (freed && sha256 !== undefined) await onFreed?.(sha256);
      return freed;
    } catch (error) {
      logger.error({ err: error }, 'a freed file could not be removed; the next start tries again');
      return false;
    }
  }

  /** Removes the files of contents that transactions freed; one pass at a time. */
  removePending(): Promise<void> {
    this.#removing = this.#removing.then(async () => {
      try {
        for (let after = ''; ; ) {
          const rows = await this.#pendingAfter(after);
          for (const { path, sha256 } of rows) {
            if (this.#closing) return;
            await this.#lock.run(path.slice(0, 32), () => this.#removeIfFree(path, this.#delete, sha256));
          }
          const last = rows.at(-1);
          if (!last) return;
          after = last.path;
        }
      } catch (error) {
        this.#options.logger.error({ err: error }, 'freed files could not be removed; the next start removes them');
      }
    });
    return this.#removing;
  }

  #pendingAfter(path: string): Promise<{ path: string; sha256: string }[]> {
    return this.#options.db
      .selectFrom('pending_removals')
      .select(['path', 'sha256'])
      .where('path', '>', path)
      .orderBy('path')
      .limit(1_000)
      .execute();
  }

  /** Waits for the file that is being removed; the next start removes the others. */
  close(): Promise<void> {
    this.#closing = true;
    return this.#removing;
  }

  /** Removes a file that no row refers to, looked at under the lock. @returns whether it went */
  removeOrphan(path: string): Promise<boolean> {
    const { setAside } = this.#options;
    return this.#lock.run(path.slice(0, 32), () => this.#removeIfFree(path, (each) => setAside.take(each)));
  }

  /** At start: finishes or undoes what an earlier process left half done. */
  async recover(): Promise<void> {
    const { folder, identity } = this.#options;
    await folder.prepare();
    if ((await identity.mismatch()) !== undefined) return;
    for (const md5 of await folder.abandoned())
      for (const path of await folder.filesOf(md5)) await this.#removeIfFree(path, this.#delete);
    await folder.clearIncoming();
    // There may be very many of them, and nobody can see them.
    void this.removePending();
  }
}

/** The content had a row when its path was chosen, but has none in the transaction. */
const FREED = Symbol('freed');

const findContent = (db: Kysely<StoreTables>, sha256: string): Promise<FileRow | undefined> =>
  db.selectFrom('files').selectAll().where('sha256', '=', sha256).executeTakeFirst();

/** The path for a new content; undefined if the content is stored already. */
async function placeFor(db: Kysely<StoreTables>, { md5, sha256 }: Received, name: string): Promise<string | undefined> {
  const same = await db.selectFrom('files').select('sha256').where('md5', '=', md5).execute();
  if (same.some((row) => row.sha256 === sha256)) return undefined;
  return `${MediaFolder.contentFolder(md5, sha256, same.length > 0)}/${name}`;
}

async function insertContent(
  tx: WriteTransaction,
  sha256: string,
  facts: ContentFacts,
  path: string,
): Promise<FileRow> {
  await tx.count('bytes', facts.file_size);
  return tx.db
    .insertInto('files')
    .values({ ...factsOf(facts), sha256, path, added_at: tx.now, tags_status: 'pending', tags: null })
    .returningAll()
    .executeTakeFirstOrThrow();
}
