/** Reads users. `UserAdministration` writes them, because every change has rules. */
import { type Kysely, sql } from 'kysely';
import type { AuthDatabase, AuthTables, UserRow } from '../database/tables.js';

export interface UserFilter {
  readonly skip: number;
  readonly limit: number;
  readonly username?: string | undefined;
}

/** The query of every authenticated request. */
type ById = (id: number) => Promise<UserRow | undefined>;

/**
 * Milliseconds for which a row is cached. Changes by this service take effect at once because they call `clearCache`. The
 * limit is for changes that are made directly in the database.
 */
const CACHE_MS = 1_000;
/** The number of cached rows. */
const MAX_CACHED_ROWS = 1_000;

export class UserRepository {
  readonly #database: AuthDatabase;
  readonly #byId: ById;
  /** Rows are cached because reading one is a quarter of the cost of a request, and clients send many requests. */
  readonly #cache = new Map<number, { readonly row: UserRow; readonly until: number }>();
  #epoch = 0;

  constructor(database: AuthDatabase) {
    this.#database = database;
    this.#byId = database.adapter.prepareRow<UserRow, [number]>('user_by_id', 'select * from users where id = ?');
  }

  /** @param id any safe integer */
  async byId(id: number): Promise<UserRow | undefined> {
    const now = performance.now();
    const known = this.#cache.get(id);
    if (known && known.until > now) return known.row;
    const epoch = this.#epoch;
    const row = await this.#byId(id);
    if (row && epoch === this.#epoch) {
      if (this.#cache.size >= MAX_CACHED_ROWS) this.#cache.clear();
      this.#cache.set(id, { row, until: now + CACHE_MS });
    }
    return row;
  }

  /** Must be called after every change of a user. */
  clearCache(): void {
    this.#epoch++;
    this.#cache.clear();
  }

  byUsername(username: string, db: Kysely<AuthTables> = this.#database.kysely): Promise<UserRow | undefined> {
    return db.selectFrom('users').selectAll().where('username', '=', username).executeTakeFirst();
  }

  /** Lists users, oldest first. */
  list({ skip, limit, username }: UserFilter): Promise<UserRow[]> {
    const users = this.#database.kysely.selectFrom('users').selectAll();
    const matching = username === undefined ? users : users.where('username', '=', username);
    return matching.orderBy('id').limit(limit).offset(skip).execute();
  }

  /** Whether any admin exists, active or not. */
  async anyAdmin(db: Kysely<AuthTables> = this.#database.kysely): Promise<boolean> {
    const found = await db.selectFrom('users').select('id').where('is_admin', '=', 1).limit(1).executeTakeFirst();
    return found !== undefined;
  }

  async hasOtherActiveAdmin(id: number, db: Kysely<AuthTables>): Promise<boolean> {
    const found = await db
      .selectFrom('users')
      .select(sql<number>`1`.as('one'))
      .where('is_admin', '=', 1)
      .where('is_active', '=', 1)
      .where('id', '<>', id)
      .limit(1)
      .executeTakeFirst();
    return found !== undefined;
  }
}
