/**
 * Sessions of users. The row of a session exists as long as the session.
 *
 * ```
 * none --login--> active --refresh--> active, with a new refresh token
 *                   |
 *                   +-- ended by the user, use of an old refresh token, too many newer sessions --> gone, in the feed
 *                   +-- password change (except the session that makes it), deactivation, deletion --> gone
 *                   +-- not refreshed for the idle time, or older than the maximum age --> expired --sweep--> gone
 * ```
 *
 * The access tokens of a session name it. The auth service looks at the row at every request; the other services learn the
 * end of a session from the revocation feed. A password change, a deactivation and a deletion start a new generation of the
 * user's tokens, so that these sessions need no entry in the feed.
 */
import { randomBytes } from 'node:crypto';
import type { Transaction } from 'kysely';
import type { Actor, AuditLog } from '../audit/audit-log.js';
import type { AuthDatabase, AuthTables, SessionRow, UserRow } from '../database/tables.js';
import { writeUsers } from '../database/write.js';
import type { IssuingSession } from '../tokens/token-issuer.js';
import { formatRefreshToken, hashSecret, newSecret, parseRefreshToken, sameHash } from './refresh-token.js';

export interface SessionsOptions {
  readonly database: AuthDatabase;
  readonly audit: AuditLog;
  readonly now: () => number;
  /** Milliseconds after the last use at which a session ends. */
  readonly idle: number;
  /** Milliseconds after the login at which a session ends. */
  readonly maxAge: number;
  /** Milliseconds for which an access token is valid. */
  readonly tokenLifetime: number;
  /** Called after a commit that ended sessions, before the caller gets its answer. */
  readonly onEnded: () => Promise<void>;
  /** Called with the events, for metrics. */
  readonly observe: (event: SessionEvent, count?: number) => void;
}

export type SessionEvent = 'created' | 'refreshed' | 'refused' | 'reused' | 'ended';

/** The client at the other end of a session. */
export interface SessionClient {
  readonly device: string;
  readonly address: string;
}

/** A session at the moment in which it got a new refresh token. */
export interface OpenedSession extends IssuingSession {
  readonly user: UserRow;
  readonly refreshToken: string;
}

type Trx = Transaction<AuthTables>;
type RefreshResult = OpenedSession | 'refused' | 'reused';
type EndReason = 'by_user' | 'token_reused' | 'too_many_sessions';

/** A user who has more sessions loses the one that was not used for the longest time. */
const MAX_SESSIONS_PER_USER = 100;

export class Sessions {
  readonly #options: SessionsOptions;
  readonly #byId: (id: string) => Promise<SessionRow | undefined>;

  constructor(options: SessionsOptions) {
    this.#options = options;
    const { adapter } = options.database;
    this.#byId = adapter.prepareRow<SessionRow, [string]>('session_by_id', 'select * from sessions where id = ?');
  }

  /**
   * Starts a session for a user whose password was just checked.
   * @returns undefined if the user's rights or password have changed since then
   */
  async create(checked: UserRow, client: SessionClient): Promise<OpenedSession | undefined> {
    const { now, audit, observe, onEnded } = this.#options;
    const created = await this.#write(async (trx) => {
      const user = await trx.selectFrom('users').selectAll().where('id', '=', checked.id).executeTakeFirst();
      if (user?.is_active !== 1 || user.token_version !== checked.token_version) return undefined;
      const dropped = await this.#makeRoom(trx, user);
      const token = { family: newSecret(), secret: newSecret() };
      const row: SessionRow = {
        id: randomBytes(16).toString('base64url'),
        user_id: user.id,
        family_hash: hashSecret(token.family),
        secret_hash: hashSecret(token.secret),
        ...client,
        created_at: now(),
        last_used_at: now(),
        access_until: now() + this.#options.tokenLifetime,
      };
      await trx.insertInto('sessions').values(row).execute();
      const actor = { id: user.id, name: user.username, address: client.address };
      const details = { session: row.id, device: row.device };
      await audit.append({ action: 'session.created', actor, target: user, details }, trx);
      return { dropped, opened: this.#opened(row, user, formatRefreshToken(token)) };
    });
    if (created) observe('created');
    if (created?.dropped) await onEnded();
    return created?.opened;
  }

  /**
   * Exchanges a refresh token for the next one. The use of an old token ends its session.
   * @param admit called with the id of the session before anything changes; what it throws is thrown
   */
  async refresh(text: string, address: string, admit: (sessionId: string) => void): Promise<RefreshResult> {
    const { observe, onEnded } = this.#options;
    const result = await this.#refresh(text, address, admit);
    observe(typeof result === 'string' ? result : 'refreshed');
    if (result === 'reused') await onEnded();
    return result;
  }

  async #refresh(text: string, address: string, admit: (sessionId: string) => void): Promise<RefreshResult> {
    const { now, audit, tokenLifetime, database } = this.#options;
    const token = parseRefreshToken(text);
    if (!token) return 'refused';
    const family = hashSecret(token.family);
    // Forged tokens must not wait for, or hold up, those who write.
    const known = await database.kysely
      .selectFrom('sessions')
      .select('id')
      .where('family_hash', '=', family)
      .executeTakeFirst();
    if (!known) return 'refused';
    admit(known.id);
    return this.#write(async (trx) => {
      const row = await trx.selectFrom('sessions').selectAll().where('family_hash', '=', family).executeTakeFirst();
      if (!row || this.#isExpired(row)) return 'refused';
      const user = await trx.selectFrom('users').selectAll().where('id', '=', row.user_id).executeTakeFirst();
      if (user?.is_active !== 1) return 'refused';
      if (!sameHash(row.secret_hash, hashSecret(token.secret))) {
        const actor = { id: null, name: null, address };
        const details = { session: row.id, device: row.device, last_address: row.address };
        await audit.append({ action: 'session.token_reused', actor, target: user, details }, trx);
        await this.#end(trx, [row], user, actor, 'token_reused');
        return 'reused';
      }
      const secret = newSecret();
      const changes = {
        secret_hash: hashSecret(secret),
        address,
        last_used_at: now(),
        access_until: Math.max(row.access_until, now() + tokenLifetime),
      };
      await trx.updateTable('sessions').set(changes).where('id', '=', row.id).execute();
      return this.#opened({ ...row, ...changes }, user, formatRefreshToken({ family: token.family, secret }));
    });
  }

  /** Whether access tokens of the session are valid: it belongs to the user and has neither ended nor expired. */
  async isActive(id: string, userId: number): Promise<boolean> {
    const row = await this.#byId(id);
    return row?.user_id === userId && !this.#isExpired(row);
  }

  /**
   * Records that an access token of the session was issued without a refresh token.
   * @returns the session; undefined if it has ended
   */
  async extend(id: string): Promise<IssuingSession | undefined> {
    const { now, tokenLifetime } = this.#options;
    return this.#write(async (trx) => {
      const row = await trx.selectFrom('sessions').selectAll().where('id', '=', id).executeTakeFirst();
      if (!row || this.#isExpired(row)) return undefined;
      const access_until = Math.max(row.access_until, now() + tokenLifetime);
      await trx.updateTable('sessions').set({ access_until }).where('id', '=', id).execute();
      return { id, expiresAt: this.expiryOf(row) };
    });
  }

  /** The user's sessions, the last used first. */
  async list(userId: number): Promise<SessionRow[]> {
    const rows = await this.#options.database.kysely
      .selectFrom('sessions')
      .selectAll()
      .where('user_id', '=', userId)
      .orderBy('last_used_at', 'desc')
      .orderBy('id')
      .execute();
    return rows.filter((row) => !this.#isExpired(row));
  }

  /** Ends sessions of a user at the user's request. @returns their number */
  async end(user: UserRow, which: { readonly id: string } | { readonly except: string | undefined }, actor: Actor) {
    const { observe, onEnded } = this.#options;
    const ended = await this.#write(async (trx) => {
      let matching = trx.selectFrom('sessions').selectAll().where('user_id', '=', user.id);
      if ('id' in which) matching = matching.where('id', '=', which.id);
      else if (which.except !== undefined) matching = matching.where('id', '<>', which.except);
      const rows = await matching.execute();
      await this.#end(trx, rows, user, actor, 'by_user');
      return rows.length;
    });
    if (ended > 0) {
      observe('ended', ended);
      await onEnded();
    }
    return ended;
  }

  /**
   * Removes a user's sessions in the transaction that starts a new generation of the user's tokens.
   * @param except the session that stays
   */
  async removeAll(trx: Trx, userId: number, except?: string): Promise<void> {
    const all = trx.deleteFrom('sessions').where('user_id', '=', userId);
    await (except === undefined ? all : all.where('id', '<>', except)).execute();
  }

  /** Milliseconds since the epoch at which a session ends if it is not used again. */
  expiryOf({ created_at, last_used_at }: SessionRow): number {
    const { idle, maxAge } = this.#options;
    return Math.min(last_used_at + idle, created_at + maxAge);
  }

  #isExpired(row: SessionRow): boolean {
    return this.expiryOf(row) <= this.#options.now();
  }

  #opened(row: SessionRow, user: UserRow, refreshToken: string): OpenedSession {
    return { user, id: row.id, refreshToken, expiresAt: this.expiryOf(row) };
  }

  async #makeRoom(trx: Trx, user: UserRow): Promise<boolean> {
    const surplus = await trx
      .selectFrom('sessions')
      .selectAll()
      .where('user_id', '=', user.id)
      .orderBy('last_used_at', 'desc')
      .orderBy('id')
      .limit(MAX_SESSIONS_PER_USER)
      .offset(MAX_SESSIONS_PER_USER - 1)
      .execute();
    await this.#end(trx, surplus, user, { id: null, name: null, address: null }, 'too_many_sessions');
    return surplus.length > 0;
  }

  async #end(trx: Trx, rows: readonly SessionRow[], user: UserRow, actor: Actor, reason: EndReason): Promise<void> {
    if (rows.length === 0) return;
    const ids = rows.map(({ id }) => id);
    await trx.deleteFrom('sessions').where('id', 'in', ids).execute();
    await trx
      .insertInto('ended_credentials')
      .values(rows.map(({ id, access_until }) => ({ credential_id: id, until: access_until })))
      .execute();
    const details = { reason, sessions: ids };
    await this.#options.audit.append({ action: 'session.ended', actor, target: user, details }, trx);
  }

  #write<T>(work: (trx: Trx) => Promise<T>): Promise<T> {
    return writeUsers(this.#options.database, work);
  }
}
