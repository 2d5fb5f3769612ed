import {
  createUser,
  deleteUser,
  getCurrentUser,
  getUser,
  listUsers,
  patchUser,
  type TokenClaims,
  updateUser,
} from '@cl-server/contract';
import { type App, notFound } from '@cl-server/service-kit';
import type { FastifyRequest } from 'fastify';
import type { Actor } from '../audit/audit-log.js';
import { refuseCommonPassword } from '../login/common-passwords.js';
import { disconnectSignal } from '../login/disconnect-signal.js';
import type { Callers } from '../tokens/callers.js';
import { toUser } from './user.js';
import type { UserAdministration } from './user-administration.js';
import type { UserRepository } from './user-repository.js';

export const actorOf = (user: TokenClaims | null, request: FastifyRequest): Actor => ({
  id: user ? Number(user.id) : null,
  name: user?.username ?? null,
  address: request.ip,
});

export interface UserRoutesOptions {
  readonly users: UserRepository;
  readonly administration: UserAdministration;
  readonly callers: Callers;
}

export function serveUsers(app: App, { users, administration, callers }: UserRoutesOptions): void {
  app.handle(getCurrentUser, ({ user }) => toUser(callers.rowOf(user)));

  app.handle(createUser, async ({ form, user, request, reply }) => {
    await refuseCommonPassword('password', form.password);
    return toUser(await administration.create(form, actorOf(user, request), disconnectSignal(reply)));
  });

  app.handle(listUsers, async ({ query }) => (await users.list(query)).map(toUser));

  app.handle(getUser, async ({ params }) => {
    const row = await users.byId(params.user_id);
    if (!row) throw notFound('User not found');
    return toUser(row);
  });

  for (const change of [updateUser, patchUser])
    app.handle(change, async ({ params, form, present, user, request, reply }) => {
      await refuseCommonPassword('password', form.password);
      const cleared = present.has('permissions') && form.permissions === undefined;
      const wanted = cleared ? { ...form, permissions: [] } : form;
      return toUser(
        await administration.update(params.user_id, wanted, actorOf(user, request), disconnectSignal(reply)),
      );
    });

  app.handle(deleteUser, ({ params, user, request }) => administration.remove(params.user_id, actorOf(user, request)));
}
