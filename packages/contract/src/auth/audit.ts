import { z } from 'zod';
import { field } from '../http/field.js';
import { listOf, listQuery } from '../http/list.js';

export const AUDIT_ACTIONS = [
  'admin.bootstrapped',
  'user.created',
  'user.updated',
  'user.deleted',
  'password.changed',
  'login.failed',
  'login.locked',
  'keys.rotated',
] as const;
export type AuditAction = (typeof AUDIT_ACTIONS)[number];

/** One security-relevant event: who did what to whom, when and from where. Never changed; removed by age alone. */
export const auditEntry = z.object({
  id: z.int(),
  /** Milliseconds since the epoch. */
  timestamp: z.int(),
  action: z.enum(AUDIT_ACTIONS),
  /** Null: the service itself, or somebody who had not logged in. */
  actor_id: z.int().nullable(),
  actor: z.string().nullable(),
  /** The user that was changed. */
  target_id: z.int().nullable(),
  target: z.string().nullable(),
  /** Client address; null for the service itself. */
  address: z.string().nullable(),
  /** What changed, never a secret: `{"is_admin":[false,true]}`. */
  details: z.record(z.string(), z.unknown()),
});
export type AuditEntry = z.infer<typeof auditEntry>;

export const auditPage = listOf(auditEntry);

export const auditQuery = z.object({
  ...listQuery,
  action: field.choice(AUDIT_ACTIONS).optional(),
  /** Changes made by this user, or to this user. */
  user_id: field.int().optional(),
});
