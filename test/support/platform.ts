/** The three services, built as their programs build them, in one process, once in each mode; and all kinds of callers. */
import diagnostics from 'node:diagnostics_channel';
import fs from 'node:fs';
import path from 'node:path';
import { createAuthService } from '@cl-server/auth';
import { createComputeService } from '@cl-server/compute';
import {
  type AnyEndpoint,
  authEndpoints,
  computeEndpoints,
  hashTask,
  type Method,
  storeEndpoints,
  systemEndpoints,
} from '@cl-server/contract';
import { type JobTables, jobMigrations } from '@cl-server/jobs';
import {
  type App,
  migrate,
  noBroadcaster,
  openDatabase,
  RemoteKeys,
  serviceCredential,
  silentLogger,
  sqliteUrl,
  TokenVerifier,
} from '@cl-server/service-kit';
import { createStoreService, type StoreTables, storeMigrations } from '@cl-server/store';
import { defineTask, TaskRegistry } from '@cl-server/task-kit';
import { type TempDir, tempDir } from '@cl-server/testing';
import { CALLERS, type Caller, MODES, type Mode, type Service } from '../authorisation-table.js';

/** One route of the router. */
export interface Route {
  readonly method: Method | 'HEAD';
  /** A path that the route answers, with names of things that do not exist. */
  readonly target: string;
  /** The method and path of the endpoint that the route serves, or its own if the endpoint tables do not contain it. */
  readonly row: string;
}

type Answer = { readonly status: number; readonly challenge: unknown };

const PASSWORD = 'secret-123';
const ENDPOINTS: Readonly<Record<Service, readonly AnyEndpoint[]>> = {
  auth: [...authEndpoints, ...systemEndpoints],
  store: [...storeEndpoints, ...systemEndpoints],
  compute: [...computeEndpoints, ...systemEndpoints],
};

/** A task of a plugin: its route is in no table. */
const counting = defineTask({
  type: 'counting',
  version: '1.0.0',
  summary: 'Counts',
  file: 'none',
  params: hashTask.form,
  output: hashTask.output,
  load: async () => ({ run: () => Promise.reject(new Error('nobody runs it here')) }),
});
const tasks = new TaskRegistry([
  {
    task: 'counting',
    package: 'a-plugin',
    version: '1.0.0',
    source: 'package',
    file: '/nowhere',
    state: 'loaded',
    definition: counting,
  },
]);

type Served = { readonly app: App; readonly routes: readonly Route[] };
type World = Readonly<Record<Service, Served>>;

/** Writes `/jobs/:job_id/files/*` as the tables do, with the first path of the endpoint for its other ones. */
function toRoutes(service: Service, found: readonly { readonly method: string; readonly url: string }[]): Route[] {
  const gets = new Set(found.filter(({ method }) => method === 'GET').map(({ url }) => url));
  return found.map(({ method, url }) => {
    const written = url.replace(/:(\w+)/g, '{$1}');
    const asTable = method === 'HEAD' && gets.has(url) ? 'GET' : method;
    const endpoint = ENDPOINTS[service].find(
      (each) =>
        each.method === asTable &&
        [each.path, ...(each.aliases ?? [])].some((other) => other.replace(/\{\w+\*\}/, '*') === written),
    );
    const target = written.replace(/\{\w+\}/g, '999999').replace('*', 'a/b');
    return {
      method: method as Route['method'],
      target,
      row: `${asTable} ${endpoint?.path ?? written.replace(/^\/docs\/.*/, '/docs')}`,
    };
  });
}

/** Builds an app and reads its router, because an endpoint table only says what should be there. */
async function served<T extends { readonly app: App }>(service: Service, make: () => Promise<T>) {
  const found: { method: string; url: string }[] = [];
  const listen = (message: unknown): void => {
    const { fastify } = message as { fastify: App['fastify'] };
    fastify.addHook('onRoute', ({ method, url }) => {
      for (const each of [method].flat()) found.push({ method: each, url });
    });
  };
  diagnostics.subscribe('fastify.initialization', listen);
  try {
    const made = await make();
    await made.app.fastify.ready();
    return { made, app: made.app, routes: toRoutes(service, found) };
  } finally {
    diagnostics.unsubscribe('fastify.initialization', listen);
  }
}

export class Platform {
  readonly #worlds = new Map<Mode, World>();
  readonly #bearers = new Map<Caller, string>();
  readonly #closers: (() => unknown)[] = [];
  readonly #dir: TempDir = tempDir();

  static async start(): Promise<Platform> {
    const platform = new Platform();
    await platform.#open();
    return platform;
  }

  async #open(): Promise<void> {
    const dataDir = this.#dir.path;
    this.#closers.push(() => this.#dir.remove());
    const auth = await served('auth', () =>
      createAuthService({
        dataDir,
        databaseUrl: sqliteUrl(path.join(dataDir, 'user_auth.db')),
        logger: silentLogger(),
        adminPassword: PASSWORD,
        passwordCost: 4,
      }),
    );
    this.#closers.push(() => auth.made.close());
    const authUrl = await auth.app.listen({ host: '127.0.0.1', port: 0 });
    const keys = await new RemoteKeys({ authUrl, logger: silentLogger() }).start();
    this.#closers.push(() => keys.close());
    const credential = serviceCredential(dataDir);
    const verifier = new TokenVerifier({ keys });
    await this.#meetCallers(authUrl, credential);
    for (const mode of MODES) this.#worlds.set(mode, { auth, ...(await this.#world(mode, verifier, credential)) });
    await this.#letGuestsIn();
  }

  async #meetCallers(authUrl: string, credential: string): Promise<void> {
    const post = async (where: string, form: Record<string, string>, token = '') => {
      const headers: Record<string, string> = token === '' ? {} : { authorization: `Bearer ${token}` };
      const answer = await fetch(authUrl + where, { method: 'POST', headers, body: new URLSearchParams(form) });
      if (!answer.ok) throw new Error(`${where}: ${answer.status} ${await answer.text()}`);
      return (await answer.json()) as { access_token: string };
    };
    const login = async (username: string): Promise<string> =>
      (await post('/auth/token', { username, password: PASSWORD })).access_token;
    const admin = await login('admin');
    this.#bearers.set('rubbish for a token', 'rubbish').set('service credential', credential).set('admin', admin);
    for (const caller of CALLERS) {
      if (caller === 'anonymous' || this.#bearers.has(caller)) continue;
      const permissions = caller === 'plain user' ? '' : caller;
      await post('/users/', { username: caller, password: PASSWORD, permissions }, admin);
      this.#bearers.set(caller, await login(caller));
    }
  }

  /** Store and compute on one database, as in an installation. */
  async #world(mode: Mode, verifier: TokenVerifier, credential: string): Promise<Omit<World, 'auth'>> {
    const folder = (name: string): string => path.join(this.#dir.path, mode, name);
    fs.mkdirSync(folder(''), { recursive: true });
    const database = openDatabase<StoreTables>(sqliteUrl(folder('store.db')), { schema: 'store' });
    this.#closers.push(() => database.close());
    const jobDatabase = openDatabase<JobTables>(sqliteUrl(folder('store.db')), { schema: 'jobs', share: database });
    this.#closers.push(() => jobDatabase.close());
    await migrate(jobDatabase, jobMigrations);
    await migrate(database, storeMigrations);
    const common = {
      mediaDir: folder('media'),
      streamsDir: folder('streams'),
      broadcaster: noBroadcaster,
      verifier,
      tasks,
      logger: silentLogger(),
      maxUploadBytes: 1_000,
      workersTopic: 'inference/workers',
      workerMaxAge: 30_000,
      noAuth: mode === 'no-auth',
    };
    const store = await served('store', () =>
      createStoreService({
        ...common,
        database,
        jobDatabase,
        jobStorageDir: folder('compute'),
        maxImagePixels: 1_000,
        tools: { ffmpeg: undefined, ffprobe: undefined },
        credential,
      }),
    );
    this.#closers.push(() => store.made.close());
    const compute = await served('compute', () =>
      createComputeService({ ...common, database: jobDatabase, storageDir: folder('compute') }),
    );
    this.#closers.push(() => compute.made.close());
    return { store, compute };
  }

  /** An admin opens reading and jobs: the store also serves jobs and obeys the setting made at compute. */
  async #letGuestsIn(): Promise<void> {
    await this.#openToGuests('guests read', 'store');
    await this.#openToGuests('guests read and run jobs', 'store');
    await this.#openToGuests('guests read and run jobs', 'compute');
  }

  async #openToGuests(mode: Mode, service: 'store' | 'compute'): Promise<void> {
    const answer = await this.#worldOf(mode)[service].app.fastify.inject({
      method: 'PUT',
      url: '/admin/pref/guest-mode',
      headers: {
        authorization: `Bearer ${this.#bearers.get('admin')}`,
        'content-type': 'application/x-www-form-urlencoded',
      },
      payload: 'guest_mode=true',
    });
    if (answer.statusCode !== 200) throw new Error(`guest mode: ${answer.statusCode} ${answer.body}`);
  }

  #worldOf(mode: Mode): World {
    const world = this.#worlds.get(mode);
    if (!world) throw new Error(`no platform in mode ${mode}`);
    return world;
  }

  routes(mode: Mode, service: Service): readonly Route[] {
    return this.#worldOf(mode)[service].routes;
  }

  /** Requests something that does not exist, without a body. */
  async ask(mode: Mode, service: Service, caller: Caller, { method, target }: Route): Promise<Answer> {
    const bearer = this.#bearers.get(caller);
    const { statusCode, headers } = await this.#worldOf(mode)[service].app.fastify.inject({
      method,
      url: target,
      headers: bearer === undefined ? {} : { authorization: `Bearer ${bearer}` },
    });
    return { status: statusCode, challenge: headers['www-authenticate'] };
  }

  async stop(): Promise<void> {
    for (const close of this.#closers.toReversed()) await close();
  }
}
