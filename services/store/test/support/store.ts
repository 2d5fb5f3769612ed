/** A real store on a real database and folder, and a small client for it. */
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import type { Entity, EntityList, EntityVersion } from '@cl-server/contract';
import { type JobTables, jobMigrations } from '@cl-server/jobs';
import { migrate, noBroadcaster, openDatabase, silentLogger } from '@cl-server/service-kit';
import { TaskRegistry } from '@cl-server/task-kit';
import { type Backend, tempDir, which } from '@cl-server/testing';
import { createStoreService, type StoreOptions, type StoreTables, storeMigrations } from '../../src/index.js';
import { testVerifier, WRITER } from './tokens.js';

export interface Reply<T = unknown> {
  readonly status: number;
  readonly json: T;
  readonly text: string;
  readonly bytes: Buffer;
  readonly headers: Headers;
}

/** A text field, or a file with its name. */
export type Fields = Readonly<Record<string, string | { readonly name: string; readonly bytes: Buffer }>>;

export interface CallOptions {
  /** Default: a token with permission to write. Null: no token. */
  readonly token?: string | null;
  readonly form?: Fields;
  readonly json?: unknown;
  readonly headers?: Record<string, string>;
}

function bodyOf({ form, json }: CallOptions): { body?: string | FormData | URLSearchParams; type?: string } {
  if (json !== undefined) return { body: JSON.stringify(json), type: 'application/json' };
  if (!form) return {};
  const entries = Object.entries(form);
  if (entries.every(([, value]) => typeof value === 'string'))
    return { body: new URLSearchParams(form as Record<string, string>) };
  const data = new FormData();
  for (const [name, value] of entries)
    if (typeof value === 'string') data.append(name, value);
    else data.append(name, new Blob([new Uint8Array(value.bytes)]), value.name);
  return { body: data };
}

export class StoreClient {
  constructor(public url: string) {}

  async call<T = Entity>(method: string, target: string, options: CallOptions = {}): Promise<Reply<T>> {
    const { token = WRITER, headers = {} } = options;
    const { body, type } = bodyOf(options);
    const response = await fetch(this.url + target, {
      method,
      headers: {
        ...(token !== null && { authorization: `Bearer ${token}` }),
        ...(type !== undefined && { 'content-type': type }),
        ...headers,
      },
      redirect: 'manual',
      ...(body !== undefined && { body }),
    });
    const bytes = Buffer.from(await response.arrayBuffer());
    const text = bytes.toString();
    const isJson = /json/.test(response.headers.get('content-type') ?? '');
    return {
      status: response.status,
      json: (isJson && text !== '' ? JSON.parse(text) : undefined) as T,
      text,
      bytes,
      headers: response.headers,
    };
  }

  get = <T = Entity>(target: string, options?: CallOptions): Promise<Reply<T>> => this.call<T>('GET', target, options);
  list = async (query = ''): Promise<EntityList> => (await this.get<EntityList>(`/entities?${query}`)).json;
  versions = async (id: number): Promise<EntityVersion[]> =>
    (await this.get<EntityVersion[]>(`/entities/${id}/versions`)).json;

  /** @throws Error if it was not created */
  async collection(label: string, parent?: number): Promise<Entity> {
    const form = { is_collection: 'true', label, ...(parent !== undefined && { parent_id: String(parent) }) };
    const reply = await this.call('POST', '/entities', { form });
    if (reply.status !== 201) throw new Error(`collection: ${reply.status} ${reply.text}`);
    return reply.json;
  }

  upload(bytes: Buffer, name = 'a.bin', fields: Record<string, string> = {}, field = 'media_file') {
    return this.call('POST', '/entities', { form: { is_collection: 'false', ...fields, [field]: { name, bytes } } });
  }

  /** A media entity with bytes of its own. @throws Error if it was not created */
  async media(fields: Record<string, string> = {}, bytes = randomBytes(64)): Promise<Entity> {
    const reply = await this.upload(bytes, 'a.bin', fields);
    if (reply.status !== 201) throw new Error(`media: ${reply.status} ${reply.text}`);
    return reply.json;
  }

  patch = (id: number, form: Fields): Promise<Reply<Entity>> => this.call('PATCH', `/entities/${id}`, { form });
  remove = (id: number): Promise<Reply> => this.call('DELETE', `/entities/${id}`);
}

export type TestStoreOptions = Partial<Omit<StoreOptions, 'database' | 'jobDatabase'>> & {
  /** The database of the jobs, if it is not the store's. */
  readonly jobDatabaseUrl?: string;
};

interface Running {
  readonly url: string;
  stop(): Promise<void>;
}

export class TestStore extends StoreClient {
  #running: Running;
  readonly #run: () => Promise<Running>;
  readonly #drop: () => Promise<void>;

  constructor(
    readonly mediaDir: string,
    readonly databaseUrl: string,
    parts: { readonly running: Running; readonly run: () => Promise<Running>; readonly drop: () => Promise<void> },
  ) {
    super(parts.running.url);
    this.#running = parts.running;
    this.#run = parts.run;
    this.#drop = parts.drop;
  }

  /** Relative paths of the files in the media folder, without dot folders. */
  files(): string[] {
    return fs
      .readdirSync(this.mediaDir, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => path.relative(this.mediaDir, path.join(entry.parentPath, entry.name)))
      .filter((name) => !name.startsWith('.'));
  }

  /** Stops the service and starts it on the same data. @param between runs while the service is stopped */
  async restart(between?: () => Promise<unknown>): Promise<void> {
    await this.#running.stop();
    await between?.();
    this.#running = await this.#run();
    this.url = this.#running.url;
  }

  async stop(): Promise<void> {
    await this.#running.stop();
    await this.#drop();
  }
}

export async function startStore(
  backend: Backend,
  { jobDatabaseUrl, ...options }: TestStoreOptions = {},
): Promise<TestStore> {
  const { url: databaseUrl, drop } = await backend.create();
  const dir = tempDir('cl-store-');
  const mediaDir = path.join(dir.path, 'media');

  const run = async (): Promise<Running> => {
    const database = openDatabase<StoreTables>(databaseUrl, { schema: 'store', synchronous: 'normal' });
    const jobDatabase = openDatabase<JobTables>(jobDatabaseUrl ?? databaseUrl, { schema: 'jobs', share: database });
    await migrate(jobDatabase, jobMigrations);
    await migrate(database, storeMigrations);
    const service = await createStoreService({
      database,
      jobDatabase,
      mediaDir,
      streamsDir: path.join(dir.path, 'streams'),
      jobStorageDir: path.join(dir.path, 'compute'),
      broadcaster: noBroadcaster,
      verifier: testVerifier,
      tasks: new TaskRegistry([]),
      logger: silentLogger(),
      maxUploadBytes: 50_000_000,
      maxImagePixels: 150_000_000,
      tools: { ffmpeg: which('ffmpeg'), ffprobe: which('ffprobe') },
      workersTopic: 'inference/workers',
      workerMaxAge: 30_000,
      credential: 'secret of the test',
      checkResponses: true,
      ...options,
    });
    const url = await service.listen({ host: '127.0.0.1', port: 0 });
    const stop = async (): Promise<void> => {
      await service.close();
      await jobDatabase.close();
      await database.close();
    };
    return { url, stop };
  };

  return new TestStore(mediaDir, databaseUrl, {
    running: await run(),
    run,
    drop: async () => {
      await drop();
      dir.remove();
    },
  });
}
