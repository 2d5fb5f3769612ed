/** Rows of the auth database. Times are milliseconds, booleans are 0 or 1, lists are JSON. */
import type { Database } from '@cl-server/service-kit';
import type { Generated, Selectable } from 'kysely';

export interface UserTable {
  /** An id is never assigned twice. */
  id: Generated<number>;
  username: string;
  password_hash: string;
  is_admin: number;
  is_active: number;
  permissions: string;
  /** The generation of this user's tokens; tokens of any other generation are invalid. See `nextGeneration`. */
  token_version: number;
  created_at: number;
}

/** The revocations that other services ask for: one row per user, holding the newest one. */
export interface RevocationTable {
  /** Grows in the order of commits, because only one writer works at a time. */
  seq: Generated<number>;
  user_id: number;
  min_version: number;
  /** The time at which the row was written. It is removed when every token of that age has expired. */
  at: number;
}

/** The networks from which a user has logged in, with the time of the last login: one row per client network. */
export interface KnownNetworkTable {
  user_id: number;
  network: string;
  last_success: number;
}

/** A session, which lasts as long as its row. Secrets are hashed: see `refresh-token.ts`. */
export interface SessionTable {
  id: string;
  user_id: number;
  /** The hash of the secret that all refresh tokens of the session have in common. */
  family_hash: string;
  /** The hash of the secret of the newest refresh token. */
  secret_hash: string;
  device: string;
  /** The address of the client at the last use. */
  address: string;
  created_at: number;
  last_used_at: number;
  /** The time at which the last access token of the session expires. */
  access_until: number;
}

/** Credentials, such as sessions, that ended before their access tokens expired. Ids do not repeat. */
export interface EndedCredentialTable {
  /** Grows in the order of commits, because only one writer works at a time. */
  seq: Generated<number>;
  credential_id: string;
  /** The time at which the last access token of the credential expires. */
  until: number;
}

/** Append-only: triggers refuse updates, and the deletion of rows younger than 30 days. */
export interface AuditTable {
  id: Generated<number>;
  at: number;
  action: string;
  actor_id: number | null;
  actor: string | null;
  target_id: number | null;
  target: string | null;
  address: string | null;
  details: string;
}

export interface MigrationTable {
  name: string;
  applied_at: number;
}

export interface AuthTables {
  users: UserTable;
  revocations: RevocationTable;
  known_networks: KnownNetworkTable;
  sessions: SessionTable;
  ended_credentials: EndedCredentialTable;
  audit: AuditTable;
  migrations_auth: MigrationTable;
}

export type UserRow = Selectable<UserTable>;
export type SessionRow = Selectable<SessionTable>;
export type AuditRow = Selectable<AuditTable>;
export type AuthDatabase = Database<AuthTables>;
