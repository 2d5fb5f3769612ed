import { changePassword, login, refreshToken } from '@cl-server/contract';
import { type App, type Authorize, badRequest, bearerOf, unauthenticated } from '@cl-server/service-kit';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Callers } from '../tokens/callers.js';
import type { TokenIssuer } from '../tokens/token-issuer.js';
import { actorOf } from '../users/routes.js';
import type { UserAdministration } from '../users/user-administration.js';
import { refuseCommonPassword } from './common-passwords.js';
import { disconnectSignal } from './disconnect-signal.js';
import type { Login, LoginClient } from './login.js';

export interface LoginRoutesOptions {
  readonly callers: Callers;
  readonly administration: UserAdministration;
  readonly login: Login;
  readonly issuer: TokenIssuer;
  readonly authorize: Authorize;
}

export function serveLogin(app: App, options: LoginRoutesOptions): void {
  const { callers, administration, issuer, authorize } = options;

  /** A login needs no token, but a valid token makes its user known. */
  const clientOf = async (request: FastifyRequest, reply: FastifyReply): Promise<LoginClient> => {
    const holder =
      request.claims ?? (bearerOf(request) && (await authorize('user', request).catch(() => undefined))) ?? undefined;
    return {
      address: request.ip,
      signal: disconnectSignal(reply),
      holderId: holder ? Number(holder.id) : undefined,
    };
  };

  app.handle(login, async ({ form, request, reply }) => {
    const row = await options.login.check(form, await clientOf(request, reply));
    if (!row) throw unauthenticated('Incorrect username or password');
    reply.header('cache-control', 'no-store');
    return issuer.issue(row);
  });

  app.handle(refreshToken, async ({ user, reply }) => {
    reply.header('cache-control', 'no-store');
    return issuer.issue(callers.rowOf(user));
  });

  app.handle(changePassword, async ({ form, user, request, reply }) => {
    const { username } = callers.rowOf(user);
    await refuseCommonPassword('new_password', form.new_password);
    const client = await clientOf(request, reply);
    const row = await options.login.check({ username, password: form.current_password }, client);
    if (!row) throw badRequest('The current password is wrong', { code: 'wrong_password' });
    const change = { password: form.new_password };
    const changed = await administration.update(row.id, change, actorOf(user, request), client.signal);
    reply.header('cache-control', 'no-store');
    return issuer.issue(changed);
  });
}
