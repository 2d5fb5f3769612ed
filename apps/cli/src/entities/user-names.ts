import type { Context } from '../context.js';

/** Names the user of an id; an id whose user is unknown stays as it is. */
export type NameOfUser = (id: string | null | undefined) => string;

/** More users than these are not fetched only for their names. */
const MAX_USERS = 1_000;

/**
 * Returns the names of users: everybody's for an admin, otherwise the caller's own. A name is a courtesy, so a failure here
 * is no failure of the command.
 */
export async function userNames(context: Context): Promise<NameOfUser> {
  const names = new Map<string, string>();
  try {
    const { users } = (await context.platform()).auth;
    const me = await users.me(context.call);
    names.set(String(me.id), me.username);
    if (me.is_admin)
      for (const { id, username } of await users.page({ limit: MAX_USERS }, context.call))
        names.set(String(id), username);
  } catch {
    // Without a login or without permission, ids are shown.
  }
  return (id) => (id === null || id === undefined ? '' : (names.get(id) ?? id));
}
