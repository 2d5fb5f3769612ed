import type { User } from '@cl-server/contract';
import type { UserRow } from '../database/tables.js';

export const permissionsOf = (row: UserRow): string[] => JSON.parse(row.permissions) as string[];

/** UTC without a zone, in microseconds, as existing clients parse it. */
export const zoneless = (ms: number): string => `${new Date(ms).toISOString().slice(0, -1)}000`;

/** A user as clients see it: the key order is what they have always got. */
export const toUser = (row: UserRow): User => ({
  username: row.username,
  is_admin: row.is_admin === 1,
  is_active: row.is_active === 1,
  id: row.id,
  created_at: zoneless(row.created_at),
  permissions: permissionsOf(row),
});
