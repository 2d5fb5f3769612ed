/**
 * Whether a folder and a database belong together. Each carries the same random id: the folder in the file `.identity`,
 * the database in a row. A folder that was not mounted, a database that was replaced by an empty one, or a process that
 * was given another folder would otherwise look like a library whose files, or whose rows, are all gone.
 *
 * ```
 *  id of the database | id of the folder | verdict
 *  -------------------+------------------+--------------------------------------------------------------------
 *  same               | same             | they belong together
 *  one                | another          | they do not
 *  none               | none             | decided by contents: both empty, or files of the rows are there → new id
 *  none               | one              | decided by contents; the database takes the folder's id
 *  one                | none             | only where files of the rows are there; the folder takes the database's id
 * ```
 *
 * The folder gets its id before the database does. A crash in between leaves the fourth row, which is decided the same way.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import fs from 'node:fs/promises';
import path from 'node:path';
import { errorCode, exists, isMissing } from '@cl-server/kit';
import type { Kysely } from 'kysely';
import type { AnyDatabase } from './database/database.js';
import { HttpError } from './errors.js';

const FILE = '.identity';
/** A verdict is used again for this long: it costs two reads, and is asked for at each upload. */
const FRESH_MS = 1_000;

/** The row in which the database keeps its id. */
export interface IdentityRow {
  read(): Promise<string | undefined>;
  /** Stores the id unless there is one. */
  claim(id: string): Promise<void>;
  /** Stores the id whatever is there. */
  replace(id: string): Promise<void>;
}

export interface FolderIdentityOptions {
  /** The name of the folder in messages: "media folder". */
  readonly what: string;
  /** Absolute. */
  readonly folder: string;
  readonly row: IdentityRow;
  /** A few files that rows refer to, relative to the folder; none for a database without any. */
  readonly expected: () => Promise<readonly string[]>;
  /** Command by which an admin says that the two belong together. */
  readonly command: string;
  /** Whether this process may give ids; a worker must not, for its folder is the one in doubt. Default true. */
  readonly mayDecide?: boolean;
  /** Milliseconds of a steady clock. */
  readonly monotonic?: () => number;
}

export class FolderIdentity {
  readonly #options: FolderIdentityOptions;
  readonly #monotonic: () => number;
  #verdict: { readonly at: number; readonly mismatch: string | undefined } | undefined;
  #checking: Promise<string | undefined> | undefined;

  constructor(options: FolderIdentityOptions) {
    this.#options = options;
    this.#monotonic = options.monotonic ?? (() => performance.now());
  }

  /** Why folder and database do not belong together, for a log line; undefined if they do. At most a second old. */
  async mismatch(): Promise<string | undefined> {
    const last = this.#verdict;
    if (last && this.#monotonic() - last.at < FRESH_MS) return last.mismatch;
    this.#checking ??= this.#check().finally(() => {
      this.#checking = undefined;
    });
    const mismatch = await this.#checking;
    this.#verdict = { at: this.#monotonic(), mismatch };
    return mismatch;
  }

  /**
   * Keeps work from a folder of another database.
   * @throws HttpError 503 `storage_mismatch`
   */
  async assertMatch(): Promise<void> {
    const mismatch = await this.mismatch();
    if (mismatch === undefined) return;
    throw new HttpError(
      503,
      `The ${this.#options.what} of this server does not belong to its database, so nothing is written or removed until its admin has looked at it`,
      { code: 'storage_mismatch', headers: { 'retry-after': '60' }, cause: new Error(mismatch) },
    );
  }

  /** Readiness: the reason as an error. */
  async check(): Promise<boolean> {
    const mismatch = await this.mismatch();
    if (mismatch !== undefined) throw new Error(mismatch);
    return true;
  }

  /** An admin says that the two belong together: both get a new id. */
  async adopt(): Promise<void> {
    const id = randomUUID();
    await this.#writeFile(id, true);
    await this.#options.row.replace(id);
    this.#verdict = undefined;
  }

  async #check(): Promise<string | undefined> {
    const { what, row, mayDecide = true, command } = this.#options;
    const [ofDatabase, ofFolder] = await Promise.all([row.read(), this.#readFile()]);
    if (ofDatabase !== undefined && ofDatabase === ofFolder) return undefined;
    const advice = `mount the right folder or restore the right database; if they do belong together, run "${command}"`;
    if (ofDatabase !== undefined && ofFolder !== undefined) return `the ${what} belongs to another database: ${advice}`;
    if (!mayDecide)
      return ofDatabase === undefined
        ? undefined // no service has started yet
        : `the ${what} is not the one that the services use: give every process the same folder`;
    const fault = await this.#contradiction(ofDatabase !== undefined);
    if (fault !== undefined) return `${fault}: ${advice}`;
    const id = ofFolder ?? ofDatabase ?? randomUUID();
    await this.#writeFile(id, false);
    const written = (await this.#readFile()) ?? id; // another process may have been first
    await row.claim(written);
    return (await row.read()) === written ? undefined : `the ${what} belongs to another database: ${advice}`;
  }

  /** The reason why folder and database do not belong together, judged by their contents. */
  async #contradiction(databaseHasId: boolean): Promise<string | undefined> {
    const { what, folder, expected } = this.#options;
    const files = await expected();
    if (files.length > 0) {
      for (const file of files) if (await exists(path.join(folder, file))) return undefined;
      return `the ${what} has none of the files that the database knows`;
    }
    if (databaseHasId) return `the ${what} was replaced by one that does not carry the id of the database`;
    if (await isEmpty(folder)) return undefined;
    return `the database is empty, but the ${what} holds files`;
  }

  async #readFile(): Promise<string | undefined> {
    try {
      return (await fs.readFile(path.join(this.#options.folder, FILE), 'utf8')).trim() || undefined;
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  /** Writes the file as a whole or not at all, even if another process writes it at the same time. */
  async #writeFile(id: string, replace: boolean): Promise<void> {
    const { folder } = this.#options;
    const file = path.join(folder, FILE);
    await fs.mkdir(folder, { recursive: true, mode: 0o750 });
    const draft = path.join(folder, `${FILE}.${randomBytes(4).toString('hex')}`);
    await fs.writeFile(draft, `${id}\n`, { mode: 0o640, flush: true });
    if (replace) return fs.rename(draft, file);
    try {
      await fs.link(draft, file);
    } catch (error) {
      const code = errorCode(error);
      if (code !== 'EEXIST') return fs.rename(draft, file); // a file system without links
    }
    await fs.rm(draft, { force: true });
  }
}

interface IdentityTables {
  service_config: { key: string; value: string; updated_at: number; updated_by: string | null };
}

/** An id kept in the table `service_config` of a service, under a key. */
export function identityRow(database: AnyDatabase, key: string, now: () => number): IdentityRow {
  const db = database.kysely as Kysely<IdentityTables>;
  const rowOf = (value: string) => ({ key, value, updated_at: now(), updated_by: null });
  return {
    read: async () =>
      (await db.selectFrom('service_config').select('value').where('key', '=', key).executeTakeFirst())?.value,
    claim: async (id) => {
      await db
        .insertInto('service_config')
        .values(rowOf(id))
        .onConflict((conflict) => conflict.column('key').doNothing())
        .execute();
    },
    replace: async (id) => {
      await db
        .insertInto('service_config')
        .values(rowOf(id))
        .onConflict((conflict) => conflict.column('key').doUpdateSet({ value: id, updated_at: now() }))
        .execute();
    },
  };
}

/** Names that begin with a dot are folders of the platform's own, and made by every start. */
async function isEmpty(folder: string): Promise<boolean> {
  try {
    const names = await fs.readdir(folder);
    return names.every((name) => name.startsWith('.') || name === 'lost+found');
  } catch (error) {
    if (isMissing(error)) return true;
    throw error;
  }
}
