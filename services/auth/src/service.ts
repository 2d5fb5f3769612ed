/** Builds the auth service from its parts, for programs, tests and benchmarks. */
import fs from 'node:fs';
import { AUTH_API, authEndpoints, getAuthRoot, getPlatformAddresses } from '@cl-server/contract';
import {
  type App,
  assertMigrated,
  Counter,
  createApp,
  createAuthorizer,
  createMetrics,
  databaseAnswers,
  type HttpOptions,
  type Logger,
  migrate,
  noRevocations,
  openDatabase,
  serviceCredential,
  sqliteFile,
  TokenVerifier,
} from '@cl-server/service-kit';
import { AuditLog } from './audit/audit-log.js';
import { serveAudit } from './audit/routes.js';
import { type AdminLogin, bootstrapAdmin } from './bootstrap-admin.js';
import { audienceSince } from './database/audience-since.js';
import { AUTH_MIGRATIONS } from './database/migrations/index.js';
import { Retention } from './database/retention.js';
import type { AuthDatabase, AuthTables } from './database/tables.js';
import { type AddressSettings, addressesFor } from './discovery/addresses.js';
import { keyPaths, securePrivateKey } from './keys/key-files.js';
import { serveKeys } from './keys/routes.js';
import { SigningKeys } from './keys/signing-keys.js';
import { FailedLogins } from './login/failed-logins.js';
import { GuessLimits } from './login/guess-limits.js';
import { KnownNetworks } from './login/known-networks.js';
import { Login } from './login/login.js';
import { loginClients } from './login/login-client.js';
import { PasswordHasher } from './login/password-hasher.js';
import { serveLogin } from './login/routes.js';
import { RefreshLimits } from './sessions/refresh-limits.js';
import { serveSessions } from './sessions/routes.js';
import { Sessions } from './sessions/sessions.js';
import { Callers } from './tokens/callers.js';
import { GUARD_MESSAGES } from './tokens/guard-messages.js';
import { RevocationFile } from './tokens/revocation-file.js';
import { RevocationFeed, serveRevocations } from './tokens/revocations.js';
import { TokenIssuer } from './tokens/token-issuer.js';
import { serveUsers } from './users/routes.js';
import { UserAdministration } from './users/user-administration.js';
import { UserRepository } from './users/user-repository.js';

export interface AuthServiceOptions {
  /** The folder of the key files and of the credential that services share. It must exist. */
  readonly dataDir: string;
  readonly databaseUrl: string;
  readonly logger: Logger;
  /** Whether to apply pending migrations. If not, pending migrations are an error. */
  readonly migrate?: boolean;
  readonly privateKeyPath?: string | undefined;
  readonly publicKeyPath?: string | undefined;
  readonly adminUsername?: string;
  /** Password of the first admin; a random one is generated if absent. */
  readonly adminPassword?: string | undefined;
  /** Token lifetime in seconds. */
  readonly tokenLifetime?: number;
  /** Days without use after which a session ends. */
  readonly sessionIdleDays?: number;
  /** Days after the login at which a session ends. */
  readonly sessionMaxDays?: number;
  /** The base-2 logarithm of the number of bcrypt rounds. */
  readonly passwordCost?: number;
  /** Limits and origins of HTTP requests. */
  readonly http?: HttpOptions;
  /** The addresses that clients learn. */
  readonly addresses?: AddressSettings;
  /** Days for which audit entries are kept; 0 keeps them for ever. */
  readonly auditRetentionDays?: number;
  /** Milliseconds between two checks of the key files. */
  readonly keyWatchInterval?: number;
  readonly now?: () => number;
  readonly checkResponses?: boolean;
}

export interface AuthService {
  readonly app: App;
  /** The first admin's login, if it was just created with a random password. */
  readonly admin: AdminLogin | undefined;
  close(): Promise<void>;
}

export const DEFAULT_TOKEN_LIFETIME = 30 * 60;
const DEFAULT_AUDIT_DAYS = 365;
const DEFAULT_IDLE_DAYS = 30;
const DEFAULT_MAX_DAYS = 90;
const DAY_MS = 86_400_000;

/** Creates a SQLite file, which holds password hashes, readable only by its owner. SQLite gives its side files the same mode. */
function createPrivately(databaseUrl: string): void {
  const file = sqliteFile(databaseUrl);
  if (file !== undefined && !fs.existsSync(file)) fs.closeSync(fs.openSync(file, 'a', 0o600));
}

/** @throws StartupError if keys, database or settings are not valid */
export async function createAuthService(options: AuthServiceOptions): Promise<AuthService> {
  createPrivately(options.databaseUrl);
  const database: AuthDatabase = openDatabase<AuthTables>(options.databaseUrl, { schema: 'auth' });
  try {
    return await assemble(options, database);
  } catch (error) {
    await database.close();
    throw error;
  }
}

async function assemble(options: AuthServiceOptions, database: AuthDatabase): Promise<AuthService> {
  const { dataDir, logger, now = Date.now, tokenLifetime = DEFAULT_TOKEN_LIFETIME } = options;
  if (options.migrate ?? true) await migrate(database, AUTH_MIGRATIONS, now);
  await assertMigrated(database, AUTH_MIGRATIONS);

  const users = new UserRepository(database);
  const audit = new AuditLog(database, now);
  const hasher = new PasswordHasher(options.passwordCost === undefined ? {} : { cost: options.passwordCost });
  const feed = new RevocationFeed(database, await audienceSince(database));
  const file = new RevocationFile(dataDir, feed);
  const writeFile = (): Promise<void> =>
    file.write().catch((error: unknown) => {
      logger.error(
        { err: error },
        'could not write the revocation file: services that restart while auth is away miss the newest revocations',
      );
    });
  await writeFile();
  const metrics = createMetrics('auth');
  const sessionEvents = new Counter({
    name: 'cls_auth_sessions_total',
    help: 'Sessions that were created, refreshed or ended, and refresh tokens that were refused or used again',
    labelNames: ['event'] as const,
    registers: [metrics],
  });
  const sessionIdle = (options.sessionIdleDays ?? DEFAULT_IDLE_DAYS) * DAY_MS;
  const sessionMaxAge = (options.sessionMaxDays ?? DEFAULT_MAX_DAYS) * DAY_MS;
  const sessions = new Sessions({
    database,
    audit,
    now,
    idle: sessionIdle,
    maxAge: sessionMaxAge,
    tokenLifetime: tokenLifetime * 1000,
    onEnded: writeFile,
    observe: (event, count) => sessionEvents.inc({ event }, count ?? 1),
  });
  const administration = new UserAdministration({
    database,
    users,
    hasher,
    audit,
    sessions,
    now,
    onRevoked: writeFile,
  });
  const admin = await bootstrapAdmin(administration, {
    username: options.adminUsername ?? 'admin',
    password: options.adminPassword,
    logger,
  });

  const callers = new Callers(users, sessions);
  const paths = keyPaths(dataDir, options);
  const keys = await SigningKeys.open({ paths, tokenLifetime, logger, now, watchInterval: options.keyWatchInterval });
  if (!(await securePrivateKey(paths))) logger.warn('other users could read the private key: set its mode to 0600');

  const logins = new Counter({
    name: 'cls_auth_logins_total',
    help: 'Login attempts by result',
    labelNames: ['result'] as const,
    registers: [metrics],
  });
  const authorize = createAuthorizer({
    // `confirm` compares a token's generation with the user's row.
    verifier: new TokenVerifier({
      keys,
      now,
      revocations: { ...noRevocations, audienceSince: () => feed.audienceSince },
    }),
    messages: GUARD_MESSAGES,
    credential: serviceCredential(dataDir),
    confirm: callers.confirm,
  });
  const app = createApp({
    info: AUTH_API,
    endpoints: authEndpoints,
    authorize,
    logger,
    metrics,
    checks: { database: () => databaseAnswers(database), keys: () => keys.ready() },
    ...options.http,
    checkResponses: options.checkResponses ?? false,
  });
  const failures = new FailedLogins({ audit, logger, now });
  const retention = new Retention({
    database,
    auditDays: options.auditRetentionDays ?? DEFAULT_AUDIT_DAYS,
    sessionIdle,
    sessionMaxAge,
    logger,
    now,
  }).start();
  const login = new Login({
    users,
    administration,
    hasher,
    limits: new GuessLimits({ now }),
    networks: new KnownNetworks(database, now),
    failures,
    logger,
    observe: (result) => logins.inc({ result }),
  });
  app.handle(getAuthRoot, () => ({ message: 'authentication service is running' }));
  const addresses = addressesFor(options.addresses ?? {});
  app.handle(getPlatformAddresses, () => addresses);
  serveKeys(app, keys);
  const issuer = new TokenIssuer({ keys, lifetime: tokenLifetime, now });
  const clientOf = loginClients(authorize);
  serveLogin(app, { callers, administration, login, clientOf, issuer, sessions });
  serveSessions(app, { callers, login, clientOf, issuer, sessions, limits: new RefreshLimits(now) });
  serveUsers(app, { users, administration, callers });
  serveRevocations(app, feed);
  serveAudit(app, audit);

  return {
    app,
    admin,
    close: async () => {
      await app.close();
      keys.close();
      await failures.close();
      await retention.close();
      await database.close();
    },
  };
}
