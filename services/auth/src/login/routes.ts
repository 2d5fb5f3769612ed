import { changePassword, login, refreshToken } from '@cl-server/contract';
import { type App, badRequest, unauthenticated } from '@cl-server/runtime';
import type { Callers } from '../tokens/callers.js';
import type { TokenIssuer } from '../tokens/token-issuer.js';
import { actorOf } from '../users/routes.js';
import type { UserAdministration } from '../users/user-administration.js';
import type { Login } from './login.js';

export interface LoginRoutesOptions {
  readonly callers: Callers;
  readonly administration: UserAdministration;
  readonly login: Login;
  readonly issuer: TokenIssuer;
}

export function serveLogin(app: App, options: LoginRoutesOptions): void {
  const { callers, administration, issuer } = options;

  app.handle(login, async ({ form, request, reply }) => {
    const row = await options.login.check(form.username, form.password, request.ip);
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
    const row = await options.login.check(username, form.current_password, request.ip);
    if (!row) throw badRequest('The current password is wrong', { code: 'wrong_password' });
    const changed = await administration.update(row.id, { password: form.new_password }, actorOf(user, request));
    reply.header('cache-control', 'no-store');
    return issuer.issue(changed);
  });
}
