/** The audit log of the auth service: its entries and the query that lists them. */
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
  'session.created',
  'session.ended',
  'session.token_reused',
  'keys.rotated',
] as const;
export type AuditAction = (typeof AUDIT_ACTIONS)[number];

/**
 * One security-relevant event: who did what to whom, when, and from which address. Entries never change; only their age
 * removes them.
 */
export const auditEntry = z
  .object({
    id: z.int(),
    /** Milliseconds since the epoch. */
    timestamp: z.int(),
    action: z.enum(AUDIT_ACTIONS),
    /** Null if the service itself acted, or a client that had not logged in. */
    actor_id: z.int().nullable(),
    actor: z.string().nullable(),
    /** The user that was changed. */
    target_id: z.int().nullable(),
    target: z.string().nullable(),
    /** Address of the client; null for the service itself. */
    address: z.string().nullable(),
    /** The change itself, never a secret: `{"is_admin":[false,true]}`. */
    details: z.record(z.string(), z.unknown()),
  })
  .meta({ id: 'AuditEntry' });
export type AuditEntry = z.infer<typeof auditEntry>;

export const auditPage = listOf(auditEntry).meta({ id: 'AuditPage' });

export const auditQuery = z.object({
  ...listQuery,
  action: field.choice(AUDIT_ACTIONS).optional().describe('Only entries of this action'),
  user_id: field.int().optional().describe('Only changes made by this user, or to this user'),
});
