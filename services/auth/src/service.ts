/** The auth service, put together: what a program, a test or a bench starts. */
import fs from 'node:fs';
import { AUTH_API, authEndpoints, getAuthRoot } from '@cl-server/contract';
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
import { keyPaths, securePrivateKey } from './keys/key-files.js';
import { serveKeys } from './keys/routes.js';
import { SigningKeys } from './keys/signing-keys.js';
import { FailedLogins } from './login/failed-logins.js';
import { GuessLimits } from './login/guess-limits.js';
import { KnownNetworks } from './login/known-networks.js';
import { Login } from './login/login.js';
import { PasswordHasher } from './login/password-hasher.js';
import { serveLogin } from './login/routes.js';
import { Callers } from './tokens/callers.js';
import { GUARD_MESSAGES } from './tokens/guard-messages.js';
import { RevocationFile } from './tokens/revocation-file.js';
import { RevocationFeed, serveRevocations } from './tokens/revocations.js';
import { TokenIssuer } from './tokens/token-issuer.js';
import { serveUsers } from './users/routes.js';
import { UserAdministration } from './users/user-administration.js';
import { UserRepository } from './users/user-repository.js';

export interface AuthServiceOptions {
  /** Holds the keys and the services' credential; must exist. */
  readonly dataDir: string;
  readonly databaseUrl: string;
  readonly logger: Logger;
  /** Apply pending migrations; else their absence is an error. */
  readonly migrate?: boolean;
  readonly privateKeyPath?: string | undefined;
  readonly publicKeyPath?: string | undefined;
  readonly adminUsername?: string;
  /** For the first admin; random if absent. */
  readonly adminPassword?: string | undefined;
  /** Seconds that a token lives. */
  readonly tokenLifetime?: number;
  /** log2 of bcrypt's rounds. */
  readonly passwordCost?: number;
  /** Who may call over HTTP, and how. */
  readonly http?: HttpOptions;
  /** Days that audit entries are kept; 0: for ever. */
  readonly auditRetentionDays?: number;
  /** Milliseconds between two looks at the key files. */
  readonly keyWatchInterval?: number;
  readonly now?: () => number;
  readonly checkResponses?: boolean;
}

export interface AuthService {
  readonly app: App;
  /** The first admin's login, if it was made just now with a random password. */
  readonly admin: AdminLogin | undefined;
  close(): Promise<void>;
}

export const DEFAULT_TOKEN_LIFETIME = 30 * 60;
const DEFAULT_AUDIT_DAYS = 365;

/** A SQLite file holds password hashes: nobody else reads it, nor the files beside it, which take its mode. */
function keepPrivate(databaseUrl: string): void {
  const file = sqliteFile(databaseUrl);
  if (file !== undefined && !fs.existsSync(file)) fs.closeSync(fs.openSync(file, 'a', 0o600));
}

/** @throws StartupError if keys, database or settings are not sound */
export async function createAuthService(options: AuthServiceOptions): Promise<AuthService> {
  keepPrivate(options.databaseUrl);
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
      logger.error({ err: error }, 'revocations not written to their file: services that restart now know of fewer');
    });
  await writeFile();
  const administration = new UserAdministration({ database, users, hasher, audit, now, onRevoked: writeFile });
  const admin = await bootstrapAdmin(administration, {
    username: options.adminUsername ?? 'admin',
    password: options.adminPassword,
    logger,
  });

  const callers = new Callers(users);
  const paths = keyPaths(dataDir, options);
  const keys = await SigningKeys.open({ paths, tokenLifetime, logger, now, watchInterval: options.keyWatchInterval });
  if (!(await securePrivateKey(paths)))
    logger.warn('the private key could be read by other users: its mode is now 0600');

  const metrics = createMetrics('auth');
  const logins = new Counter({
    name: 'cls_auth_logins_total',
    help: 'Attempts to log in, by their end',
    labelNames: ['result'] as const,
    registers: [metrics],
  });
  const authorize = createAuthorizer({
    // A token's generation is compared with the user's row, by `confirm`.
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
  serveKeys(app, keys);
  const issuer = new TokenIssuer({ keys, lifetime: tokenLifetime, now });
  serveLogin(app, { callers, administration, login, issuer, authorize });
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
