import type { User } from '@cl-server/contract';
import type { UserRow } from '../database/tables.js';

export const permissionsOf = (row: UserRow): string[] => JSON.parse(row.permissions) as string[];

/** Formats a time as UTC without a zone, with microseconds (see docs/compatibility.md). */
export const zoneless = (ms: number): string => `${new Date(ms).toISOString().slice(0, -1)}000`;

/** The user object of the API. Clients rely on the order of its keys (see docs/compatibility.md). */
export const toUser = (row: UserRow): User => ({
  username: row.username,
  is_admin: row.is_admin === 1,
  is_active: row.is_active === 1,
  id: row.id,
  created_at: zoneless(row.created_at),
  permissions: permissionsOf(row),
});
