/** A real auth service for tests: real database, real keys, cheap password hashes, and a clock that the test may set. */
import type { User } from '@cl-server/contract';
import { serviceCredential, silentLogger } from '@cl-server/service-kit';
import { type Backend, type TempDir, type TestDatabase, tempDir } from '@cl-server/testing';
import { type AuthService, type AuthServiceOptions, createAuthService } from '../src/index.js';

export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests read any field of an answer
  readonly json: any;
}

export interface AskOptions {
  readonly token?: string | undefined;
  readonly form?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly payload?: string | Buffer;
  readonly from?: string;
}

export const PASSWORD = 'secret-123';

export class Harness {
  offset = 0;
  service!: AuthService;
  admin!: string;
  readonly dir: TempDir = tempDir();
  readonly #database: TestDatabase;
  readonly #options: Partial<AuthServiceOptions>;

  private constructor(database: TestDatabase, options: Partial<AuthServiceOptions>) {
    this.#database = database;
    this.#options = options;
  }

  static async start(backend: Backend, options: Partial<AuthServiceOptions> = {}): Promise<Harness> {
    const harness = new Harness(await backend.create(), options);
    await harness.open();
    harness.admin = await harness.login('admin');
    return harness;
  }

  /** Starts a second service on the data of another one, which stays responsible for removing them. */
  static async onSameData(other: Harness, options: Partial<AuthServiceOptions>): Promise<Harness> {
    const harness = new Harness(other.#database, { ...options, dataDir: other.dir.path });
    harness.dir.remove();
    await harness.open();
    return harness;
  }

  get databaseUrl(): string {
    return this.#database.url;
  }

  get credential(): string {
    return serviceCredential(this.dir.path);
  }

  readonly now = (): number => Date.now() + this.offset;

  async open(): Promise<void> {
    this.service = await createAuthService({
      dataDir: this.dir.path,
      databaseUrl: this.#database.url,
      logger: silentLogger(),
      adminPassword: PASSWORD,
      passwordCost: 4,
      checkResponses: true,
      now: this.now,
      ...this.#options,
    });
  }

  async ask(method: string, url: string, options: AskOptions = {}): Promise<Reply> {
    const { token, form, headers = {}, payload, from } = options;
    const answer = await this.service.app.fastify.inject({
      method: method as 'GET',
      url,
      ...(from !== undefined && { remoteAddress: from }),
      headers: {
        ...(form && { 'content-type': 'application/x-www-form-urlencoded' }),
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...headers,
      },
      ...(form ? { payload: new URLSearchParams(form).toString() } : payload !== undefined && { payload }),
    });
    const text = answer.body;
    return {
      status: answer.statusCode,
      headers: answer.headers,
      text,
      json: text.startsWith('{') || text.startsWith('[') ? JSON.parse(text) : undefined,
    };
  }

  tryLogin(username: string, password = PASSWORD, from = '127.0.0.1'): Promise<Reply> {
    return this.ask('POST', '/auth/token', { form: { username, password }, from });
  }

  async login(username: string, password = PASSWORD): Promise<string> {
    const reply = await this.tryLogin(username, password);
    if (reply.status !== 200) throw new Error(`login of ${username}: ${reply.status} ${reply.text}`);
    return reply.json.access_token as string;
  }

  async create(username: string, form: Readonly<Record<string, string>> = {}): Promise<User> {
    const reply = await this.ask('POST', '/users/', {
      token: this.admin,
      form: { username, password: PASSWORD, ...form },
    });
    if (reply.status !== 201) throw new Error(`creation of ${username}: ${reply.status} ${reply.text}`);
    return reply.json as User;
  }

  change(id: number, form: Readonly<Record<string, string>>, token = this.admin): Promise<Reply> {
    return this.ask('PUT', `/users/${id}`, { token, form });
  }

  me(token: string): Promise<Reply> {
    return this.ask('GET', '/users/me', { token });
  }

  /** The revocations that the other services receive from a position on. */
  async revocations(since = 0): Promise<{ items: { user_id: string; min_version: number }[]; last_seq: number }> {
    return (await this.ask('GET', `/auth/revocations?since=${since}`, { token: this.credential })).json;
  }

  async stop(): Promise<void> {
    await this.service.close();
    this.dir.remove();
    await this.#database.drop();
  }
}

export const claimsOf = (token: string): Record<string, unknown> =>
  JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());
export const headerOf = (token: string): Record<string, unknown> =>
  JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString());
