/** Rows of the auth database. Times are milliseconds, booleans 0 or 1, lists JSON. */
import type { Database } from '@cl-server/service-kit';
import type { Generated, Selectable } from 'kysely';

export interface UserTable {
  /** Never given twice. */
  id: Generated<number>;
  username: string;
  password_hash: string;
  is_admin: number;
  is_active: number;
  permissions: string;
  /** Generation of this user's tokens: those of another are dead. See `nextGeneration`. */
  token_version: number;
  created_at: number;
}

/** The cut-offs that the other services ask for: one row per user, its newest. */
export interface RevocationTable {
  /** Grows in the order of commits, since one writer works at a time. */
  seq: Generated<number>;
  user_id: number;
  min_version: number;
  /** When the row was written: it is removed when no token can be as old. */
  at: number;
}

/** From where a user has logged in, and when last: one row per client network. */
export interface KnownNetworkTable {
  user_id: number;
  network: string;
  last_success: number;
}

/** Append-only: triggers refuse changes, and the removal of rows that are younger than 30 days. */
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
  audit: AuditTable;
  migrations_auth: MigrationTable;
}

export type UserRow = Selectable<UserTable>;
export type AuditRow = Selectable<AuditTable>;
export type AuthDatabase = Database<AuthTables>;
