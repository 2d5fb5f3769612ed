/** The program `auth-server`: runs the service, or runs one of its commands and exits. */

import type { AddressInfo } from 'node:net';
import os from 'node:os';
import { messageOf } from '@cl-server/kit';
import {
  configFolder,
  createLogger,
  httpOptions,
  isLoopback,
  loadConfig,
  openDatabase,
  openDataDir,
  type RunningProgram,
  StartupError,
  type Values,
} from '@cl-server/service-kit';
import { AuditLog } from './audit/audit-log.js';
import type { AdminLogin } from './bootstrap-admin.js';
import { migrateAuth } from './database/migrations/index.js';
import type { AuthTables } from './database/tables.js';
import { addressesFor } from './discovery/addresses.js';
import { keyPaths, rotateKeys } from './keys/key-files.js';
import { createAuthService } from './service.js';
import { AUTH_SETTINGS, authDatabaseUrl } from './settings.js';

export interface ProgramContext {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Whether a supervisor started this process. It then receives the first admin's login and prints it. */
  readonly supervised: boolean;
  readonly print: (text: string) => void;
}

type AuthValues = Values<typeof AUTH_SETTINGS>;

const COMMANDS: Readonly<
  Record<string, (values: AuthValues, dataDir: string, print: (text: string) => void) => Promise<void>>
> = {
  migrate: async (values, dataDir, print) => {
    const applied = await migrateAuth(authDatabaseUrl(values, dataDir));
    print(applied.length > 0 ? `applied ${applied.join(', ')}` : 'nothing to apply');
  },
  'rotate-keys': async (values, dataDir, print) => {
    const kid = await rotateKeys(keyPaths(dataDir, values), Date.now());
    print(`new key ${kid}: a running server signs with it within a second; older tokens stay valid until they expire`);
    await recordRotation(authDatabaseUrl(values, dataDir), kid);
  },
};

async function recordRotation(url: string, kid: string): Promise<void> {
  const database = openDatabase<AuthTables>(url, { schema: 'auth' });
  try {
    const actor = { id: null, name: `system user ${os.userInfo().username}`, address: null };
    await new AuditLog(database, Date.now).append({ action: 'keys.rotated', actor, details: { kid } });
  } catch (error) {
    throw new StartupError(`the keys were rotated, but the audit table could not be written: ${messageOf(error)}`);
  } finally {
    await database.close();
  }
}

const firstLogin = ({ username, password }: AdminLogin): string =>
  `\n  first admin: ${username}\n  password:    ${password}\n  It is shown only once. Change it with PUT /users/me/password.\n`;

/**
 * @returns undefined if a command was run, or the help was printed
 * @throws StartupError
 */
export async function authServer(context: ProgramContext): Promise<RunningProgram | undefined> {
  const { argv, env, print } = context;
  const folder = configFolder({ argv, env });
  const config = loadConfig({
    program: 'auth-server',
    description: 'Users, permissions and tokens. The commands rotate-keys and migrate exit when they are done.',
    settings: AUTH_SETTINGS,
    argv,
    env,
    ...(folder !== undefined && { configFolder: folder }),
  });
  if (config.helpWanted) {
    print(config.help);
    return undefined;
  }
  const { values, positionals } = config;
  const [command, ...more] = positionals;
  const run = command === undefined ? undefined : COMMANDS[command];
  if (more.length > 0 || (command !== undefined && !run))
    throw new StartupError(
      `unknown command "${positionals.join(' ')}": the commands are ${Object.keys(COMMANDS).join(', ')}`,
      2,
    );
  const dataDir = openDataDir(values.dataDir, { create: true });
  if (run) {
    await run(values, dataDir, print);
    return undefined;
  }
  return serve(values, dataDir, context);
}

async function serve(
  values: AuthValues,
  dataDir: string,
  { supervised, print }: ProgramContext,
): Promise<RunningProgram> {
  const { host, port } = values;
  const logger = createLogger({ name: 'auth', level: values.logLevel });
  logger.info({ host, port }, isLoopback(host) ? 'starting, on this machine only' : 'starting, open to the network');
  const { store, compute } = addressesFor(values);
  const service = await createAuthService({
    ...values,
    dataDir,
    databaseUrl: authDatabaseUrl(values, dataDir),
    migrate: values.migrate && !values.noMigrate,
    tokenLifetime: values.tokenExpireMinutes * 60,
    http: { ...httpOptions(values), siblings: [store, compute] },
    addresses: values,
    logger,
  });
  try {
    const url = await service.app.listen({ host, port });
    const { port: actual } = service.app.fastify.server.address() as AddressInfo;
    logger.info({ url }, 'ready');
    if (service.admin && !supervised) print(firstLogin(service.admin));
    return {
      info: { url, port: actual, ...(service.admin && { admin: service.admin }) },
      stop: () => service.close(),
    };
  } catch (error) {
    await service.close();
    throw error;
  }
}
