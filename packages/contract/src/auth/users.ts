/** Users, as the API shows, creates and changes them. */
import { z } from 'zod';
import { field } from '../http/field.js';
import { newPassword, usernameField } from './credentials.js';
import { permissionList } from './permissions.js';

/** A user as clients see it. Existing clients depend on the order of the keys. */
export const user = z
  .object({
    username: z.string(),
    is_admin: z.boolean(),
    is_active: z.boolean(),
    id: z.int(),
    /** UTC without a zone, microseconds: `2026-11-20T16:53:27.321000`. */
    created_at: z.string(),
    permissions: z.array(z.string()),
  })
  .meta({
    id: 'User',
    example: {
      username: 'ann',
      is_admin: false,
      is_active: true,
      id: 2,
      created_at: '2026-06-18T17:02:00.000000',
      permissions: ['media_store_read', 'media_store_write'],
    },
  });
export type User = z.infer<typeof user>;

export const userId = z.object({ user_id: field.int() });

export const userQuery = z.object({
  skip: field.int({ ge: 0 }).default(0).describe('Number of users to skip'),
  limit: field.int({ ge: 1, le: 1000 }).default(100).describe('Number of users of a page'),
  username: field.filter().describe('Only the user of this name; the list has one item or none'),
});

export const newUser = z.object({
  username: usernameField().meta({ example: 'ann' }),
  password: newPassword().meta({ example: 'a long password' }),
  is_admin: field.bool().default(false),
  is_active: field.bool().default(true),
  permissions: permissionList().default([]).meta({ example: 'media_store_read,media_store_write' }),
});

/** Absent fields stay. An empty field counts as absent, except for `permissions`: there it removes all permissions. */
export const userChange = z.object({
  password: newPassword().optional(),
  permissions: permissionList().optional().meta({ example: 'media_store_read' }),
  is_active: field.bool().optional(),
  is_admin: field.bool().optional(),
});
