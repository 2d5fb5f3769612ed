/**
 * Changes users. A change that takes rights away also ends the user's tokens: it starts a new token generation. The auth
 * service compares the generation at every request; the other services learn it from the revocation feed.
 *
 * | change | existing tokens |
 * |---|---|
 * | password, deactivation, deletion, demotion, a permission taken away | become invalid |
 * | activation, promotion, a permission given | stay valid; a refresh brings the new rights |
 *
 * Sessions end with a password change, except the session that makes it, and with deactivation and deletion. After other
 * changes their next refresh gives a token with the new rights.
 */
import { badRequest, conflict, notFound } from '@cl-server/service-kit';
import type { Transaction } from 'kysely';
import type { Actor, AuditLog } from '../audit/audit-log.js';
import type { AuthDatabase, AuthTables, UserRow } from '../database/tables.js';
import { writeUsers } from '../database/write.js';
import type { HashRequester } from '../login/hash-queue.js';
import type { PasswordHasher } from '../login/password-hasher.js';
import type { Sessions } from '../sessions/sessions.js';
import { permissionsOf } from './user.js';
import type { UserRepository } from './user-repository.js';

export interface NewUser {
  readonly username: string;
  readonly password: string;
  readonly is_admin: boolean;
  readonly is_active: boolean;
  readonly permissions: readonly string[];
}

export interface UserChange {
  readonly password?: string | undefined;
  readonly is_admin?: boolean | undefined;
  readonly is_active?: boolean | undefined;
  readonly permissions?: readonly string[] | undefined;
  /** The id of the user's session that a new password does not end. */
  readonly keepSession?: string | undefined;
}

export interface UserAdministrationOptions {
  readonly database: AuthDatabase;
  readonly users: UserRepository;
  readonly hasher: PasswordHasher;
  readonly audit: AuditLog;
  readonly sessions: Sessions;
  readonly now: () => number;
  /** Called after a commit that invalidated tokens, before the caller gets its answer. */
  readonly onRevoked?: () => Promise<void>;
}

type Trx = Transaction<AuthTables>;
type Differences = Record<string, [before: unknown, after: unknown]>;

/**
 * The generation after `last`, which is at least the current second. A generation therefore does not repeat, even if the
 * database is created again or restored from an old copy while the keys stay.
 */
const nextGeneration = (nowMs: number, last = 0): number => Math.max(last + 1, Math.floor(nowMs / 1000));

/** Only users with a token and the service itself set passwords, so the requester is always known. */
const requesterOf = ({ id }: Actor, signal?: AbortSignal): HashRequester => ({
  lane: 'known',
  source: `user ${id}`,
  signal,
});

const isActiveAdmin = (row: UserRow): boolean => row.is_admin === 1 && row.is_active === 1;

function losesRights(before: UserRow, after: UserRow): boolean {
  if (after.is_active < before.is_active || after.is_admin < before.is_admin) return true;
  const kept = new Set(permissionsOf(after));
  return permissionsOf(before).some((permission) => !kept.has(permission));
}

function differences(before: UserRow, after: UserRow): Differences {
  const found: Differences = {};
  for (const key of ['is_admin', 'is_active'] as const)
    if (before[key] !== after[key]) found[key] = [before[key] === 1, after[key] === 1];
  if (before.permissions !== after.permissions) found.permissions = [permissionsOf(before), permissionsOf(after)];
  return found;
}

export class UserAdministration {
  readonly #options: UserAdministrationOptions;

  constructor(options: UserAdministrationOptions) {
    this.#options = options;
  }

  /**
   * @param signal aborted when the client disconnects; nothing is changed if the password still waits to be hashed
   * @throws HttpError 400 if the name is taken, 503 if too many passwords wait to be hashed
   */
  async create(user: NewUser, actor: Actor, signal?: AbortSignal): Promise<UserRow> {
    const { users, hasher } = this.#options;
    const taken = badRequest('Username already registered', { code: 'username_taken' });
    if (await users.byUsername(user.username)) throw taken;
    const hash = await hasher.hash(user.password, requesterOf(actor, signal));
    return this.#write(async (trx) => {
      if (await users.byUsername(user.username, trx)) throw taken;
      return this.#insert(trx, user, hash, actor, 'user.created');
    });
  }

  /**
   * Creates an admin if there is none.
   * @returns undefined if there was one
   * @throws HttpError 400 if the name belongs to a user without admin rights
   */
  async bootstrap(username: string, password: string, actor: Actor): Promise<UserRow | undefined> {
    const { users, hasher } = this.#options;
    if (await users.anyAdmin()) return undefined;
    const hash = await hasher.hash(password, requesterOf(actor));
    return this.#write(async (trx) => {
      if (await users.anyAdmin(trx)) return undefined;
      if (await users.byUsername(username, trx))
        throw badRequest(`"${username}" is a user without admin rights`, { code: 'username_taken' });
      const admin = { username, password, is_admin: true, is_active: true, permissions: ['*'] };
      return this.#insert(trx, admin, hash, actor, 'admin.bootstrapped');
    });
  }

  /** @throws HttpError 404, 409 if no active admin would remain, 503 if too many passwords wait to be hashed */
  async update(id: number, change: UserChange, actor: Actor, signal?: AbortSignal): Promise<UserRow> {
    const { hasher, audit, sessions } = this.#options;
    if (!(await this.#options.users.byId(id))) throw notFound('User not found');
    const hash =
      change.password === undefined ? undefined : await hasher.hash(change.password, requesterOf(actor, signal));
    const changed = await this.#write(async (trx) => {
      const before = await this.#existing(trx, id);
      const after: UserRow = {
        ...before,
        ...(hash !== undefined && { password_hash: hash }),
        ...(change.is_admin !== undefined && { is_admin: Number(change.is_admin) }),
        ...(change.is_active !== undefined && { is_active: Number(change.is_active) }),
        ...(change.permissions !== undefined && { permissions: JSON.stringify(change.permissions) }),
      };
      if (isActiveAdmin(before) && !isActiveAdmin(after)) await this.#keepAnAdmin(trx, id);
      if (hash !== undefined || losesRights(before, after)) after.token_version = await this.#revoke(trx, before);
      if (after.is_active === 0) await sessions.removeAll(trx, id);
      else if (hash !== undefined) await sessions.removeAll(trx, id, change.keepSession);
      const { id: _, ...columns } = after;
      await trx.updateTable('users').set(columns).where('id', '=', id).execute();
      const details = differences(before, after);
      if (hash !== undefined) await audit.append({ action: 'password.changed', actor, target: after }, trx);
      if (Object.keys(details).length > 0)
        await audit.append({ action: 'user.updated', actor, target: after, details }, trx);
      return { after, revoked: after.token_version !== before.token_version };
    });
    if (changed.revoked) await this.#options.onRevoked?.();
    return changed.after;
  }

  /** @throws HttpError 404, 409 if no active admin would remain */
  async remove(id: number, actor: Actor): Promise<void> {
    const { audit } = this.#options;
    await this.#write(async (trx) => {
      const row = await this.#existing(trx, id);
      if (isActiveAdmin(row)) await this.#keepAnAdmin(trx, id);
      await this.#revoke(trx, row);
      await this.#options.sessions.removeAll(trx, id);
      await trx.deleteFrom('known_networks').where('user_id', '=', id).execute();
      await trx.deleteFrom('users').where('id', '=', id).execute();
      await audit.append({ action: 'user.deleted', actor, target: row }, trx);
    });
    await this.#options.onRevoked?.();
  }

  /** Replaces a hash by a stronger one of the same password, unless it has changed meanwhile. Existing tokens stay valid. */
  async rehash({ id, password_hash: weak }: UserRow, hash: string): Promise<void> {
    await this.#write((trx) =>
      trx
        .updateTable('users')
        .set({ password_hash: hash })
        .where('id', '=', id)
        .where('password_hash', '=', weak)
        .execute(),
    );
  }

  /** Runs a transaction and then drops the cached users, so that no request sees an old row. */
  async #write<T>(work: (trx: Trx) => Promise<T>): Promise<T> {
    try {
      return await writeUsers(this.#options.database, work);
    } finally {
      this.#options.users.clearCache();
    }
  }

  async #insert(
    trx: Trx,
    user: NewUser,
    hash: string,
    actor: Actor,
    action: 'user.created' | 'admin.bootstrapped',
  ): Promise<UserRow> {
    const { audit, now } = this.#options;
    const row = await trx
      .insertInto('users')
      .values({
        username: user.username,
        password_hash: hash,
        is_admin: Number(user.is_admin),
        is_active: Number(user.is_active),
        permissions: JSON.stringify(user.permissions),
        token_version: nextGeneration(now()),
        created_at: now(),
      })
      .returningAll()
      .executeTakeFirstOrThrow();
    const details = { is_admin: user.is_admin, is_active: user.is_active, permissions: user.permissions };
    await audit.append({ action, actor, target: row, details }, trx);
    return row;
  }

  async #existing(trx: Trx, id: number): Promise<UserRow> {
    const row = await trx.selectFrom('users').selectAll().where('id', '=', id).executeTakeFirst();
    if (!row) throw notFound('User not found');
    return row;
  }

  async #keepAnAdmin(trx: Trx, id: number): Promise<void> {
    if (await this.#options.users.hasOtherActiveAdmin(id, trx)) return;
    throw conflict('This is the last active admin: give another user admin rights first', { code: 'last_admin' });
  }

  /** @returns the user's new generation; tokens of older generations are invalid from the commit on */
  async #revoke(trx: Trx, row: UserRow): Promise<number> {
    const generation = nextGeneration(this.#options.now(), row.token_version);
    await trx.deleteFrom('revocations').where('user_id', '=', row.id).execute();
    await trx
      .insertInto('revocations')
      .values({ user_id: row.id, min_version: generation, at: this.#options.now() })
      .execute();
    return generation;
  }
}
