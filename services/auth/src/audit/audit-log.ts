/** The append-only record of security-relevant changes. An entry is written in the transaction of its change. */
import type { AuditAction, AuditEntry } from '@cl-server/contract';
import type { Kysely } from 'kysely';
import type { AuditRow, AuthDatabase, AuthTables } from '../database/tables.js';

/** The user or service that makes a change, and the address it comes from. */
export interface Actor {
  /** Null if the actor is the service itself or a client without a login. */
  readonly id: number | null;
  readonly name: string | null;
  readonly address: string | null;
}

export const SERVICE_ACTOR: Actor = { id: null, name: null, address: null };

export interface AuditRecord {
  readonly action: AuditAction;
  readonly actor: Actor;
  readonly target?: { readonly id: number; readonly username: string } | undefined;
  /** Must not contain secrets. */
  readonly details?: Readonly<Record<string, unknown>>;
}

export interface AuditFilter {
  readonly limit: number;
  /** Return only entries older than this id. */
  readonly before?: number | undefined;
  readonly action?: AuditAction | undefined;
  readonly user_id?: number | undefined;
}

const toEntry = ({ at, action, details, ...row }: AuditRow): AuditEntry => ({
  id: row.id,
  timestamp: at,
  action: action as AuditAction,
  actor_id: row.actor_id,
  actor: row.actor,
  target_id: row.target_id,
  target: row.target,
  address: row.address,
  details: JSON.parse(details) as Record<string, unknown>,
});

export class AuditLog {
  readonly #database: AuthDatabase;
  readonly #now: () => number;

  constructor(database: AuthDatabase, now: () => number) {
    this.#database = database;
    this.#now = now;
  }

  /** @param db the transaction that makes the recorded change */
  async append({ action, actor, target, details = {} }: AuditRecord, db?: Kysely<AuthTables>): Promise<void> {
    await (db ?? this.#database.kysely)
      .insertInto('audit')
      .values({
        at: this.#now(),
        action,
        actor_id: actor.id,
        actor: actor.name,
        target_id: target?.id ?? null,
        target: target?.username ?? null,
        address: actor.address,
        details: JSON.stringify(details),
      })
      .execute();
  }

  /** Returns entries newest first; `more` says whether older ones follow. */
  async page(filter: AuditFilter): Promise<{ items: AuditEntry[]; total: number; more: boolean }> {
    let matching = this.#database.kysely.selectFrom('audit');
    const { action, user_id, before, limit } = filter;
    if (action !== undefined) matching = matching.where('action', '=', action);
    if (user_id !== undefined)
      matching = matching.where((eb) => eb.or([eb('actor_id', '=', user_id), eb('target_id', '=', user_id)]));
    const { total } = await matching.select((eb) => eb.fn.countAll<number>().as('total')).executeTakeFirstOrThrow();
    if (before !== undefined) matching = matching.where('id', '<', before);
    const rows = await matching
      .selectAll()
      .orderBy('id', 'desc')
      .limit(limit + 1)
      .execute();
    return { items: rows.slice(0, limit).map(toEntry), total, more: rows.length > limit };
  }
}
