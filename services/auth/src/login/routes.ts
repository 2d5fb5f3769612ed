import { changePassword, login, refreshToken, type TokenClaims } from '@cl-server/contract';
import { type App, badRequest, unauthenticated } from '@cl-server/service-kit';
import type { Sessions } from '../sessions/sessions.js';
import type { Callers } from '../tokens/callers.js';
import { GUARD_MESSAGES } from '../tokens/guard-messages.js';
import type { IssuingSession, TokenIssuer } from '../tokens/token-issuer.js';
import { actorOf } from '../users/routes.js';
import type { UserAdministration } from '../users/user-administration.js';
import { refuseCommonPassword } from './common-passwords.js';
import type { Login } from './login.js';
import type { ClientOf } from './login-client.js';

export interface LoginRoutesOptions {
  readonly callers: Callers;
  readonly administration: UserAdministration;
  readonly login: Login;
  readonly clientOf: ClientOf;
  readonly issuer: TokenIssuer;
  readonly sessions: Sessions;
}

export function serveLogin(app: App, options: LoginRoutesOptions): void {
  const { callers, administration, clientOf, issuer, sessions } = options;

  /** The session of the caller's token, to which the caller's next token belongs too. @throws HttpError 401 if it ended */
  const sessionOf = async (user: TokenClaims | null): Promise<IssuingSession | undefined> => {
    if (user?.sid === undefined) return undefined;
    const session = await sessions.extend(user.sid);
    if (!session) throw unauthenticated(GUARD_MESSAGES.faults.invalid);
    return session;
  };

  app.handle(login, async ({ form, request, reply }) => {
    const row = await options.login.check(form, await clientOf(request, reply));
    if (!row) throw unauthenticated('Incorrect username or password');
    reply.header('cache-control', 'no-store');
    return issuer.issue(row);
  });

  app.handle(refreshToken, async ({ user, reply }) => {
    reply.header('cache-control', 'no-store');
    return issuer.issue(callers.rowOf(user), await sessionOf(user));
  });

  app.handle(changePassword, async ({ form, user, request, reply }) => {
    const { username } = callers.rowOf(user);
    await refuseCommonPassword('new_password', form.new_password);
    const client = await clientOf(request, reply);
    const row = await options.login.check({ username, password: form.current_password }, client);
    if (!row) throw badRequest('The current password is wrong', { code: 'wrong_password' });
    const change = { password: form.new_password, keepSession: user?.sid };
    const changed = await administration.update(row.id, change, actorOf(user, request), client.signal);
    reply.header('cache-control', 'no-store');
    return issuer.issue(changed, await sessionOf(user));
  });
}
