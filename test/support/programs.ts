/** The programs of the services, each in a separate process, on one data folder. */
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { projectRoot, type TempDir, tempDir } from '@cl-server/testing';
import type { Service } from '../authorisation-table.js';

export const ADMIN_PASSWORD = 'secret-123';

const BIN: Readonly<Record<Service, string>> = {
  auth: 'services/auth/bin/auth-server.js',
  store: 'services/store/bin/store.js',
  compute: 'services/compute/bin/compute-server.js',
};
const bin = (service: Service): string => path.join(projectRoot, BIN[service]);

export interface Told {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: tests read any field of an answer
  readonly json: any;
}

export interface ProgramsOptions {
  /** Options of Node, e.g. a limit of its heap. */
  readonly execArgv?: readonly string[];
  /** Settings in addition to those of all tests. */
  readonly env?: Readonly<Record<string, string>>;
}

export class Programs {
  readonly #dir: TempDir = tempDir('cl-programs-');
  readonly #urls = new Map<Service, string>();
  readonly #children = new Map<Service, ChildProcess>();
  readonly #options: ProgramsOptions;

  private constructor(options: ProgramsOptions) {
    this.#options = options;
  }

  static async start(options: ProgramsOptions = {}): Promise<Programs> {
    const programs = new Programs(options);
    for (const service of ['auth', 'store', 'compute'] as const) await programs.#run(service);
    return programs;
  }

  get dataDir(): string {
    return this.#dir.path;
  }

  url(service: Service): string {
    const url = this.#urls.get(service);
    if (url === undefined) throw new Error(`${service} does not run`);
    return url;
  }

  port(service: Service): number {
    return Number(new URL(this.url(service)).port);
  }

  pid(service: Service): number {
    const pid = this.#children.get(service)?.pid;
    if (pid === undefined) throw new Error(`${service} does not run`);
    return pid;
  }

  /** Whether every service is still the process that was started. */
  get allAlive(): boolean {
    return [...this.#children.values()].every(({ exitCode, signalCode }) => exitCode === null && signalCode === null);
  }

  get #env(): NodeJS.ProcessEnv {
    const authUrl = this.#urls.get('auth');
    return {
      PATH: process.env.PATH,
      CL_SERVER_DIR: this.#dir.path,
      ADMIN_PASSWORD,
      BROADCAST_TYPE: 'none',
      LOG_LEVEL: process.env.CL_TEST_LOG ?? 'critical',
      ...(authUrl !== undefined && { AUTH_URL: authUrl }),
      ...this.#options.env,
    };
  }

  async #run(service: Service): Promise<void> {
    const child = fork(bin(service), ['--port=0'], {
      env: this.#env,
      execArgv: [...(this.#options.execArgv ?? [])],
      stdio: ['ignore', process.env.CL_TEST_LOG === undefined ? 'ignore' : 'inherit', 'inherit', 'ipc'],
    });
    this.#children.set(service, child);
    const ready = new Promise<{ info: { url: string } }>((resolve) => {
      // The program also reports that it is alive while it starts.
      child.on('message', (message: { type: string; info: { url: string } }) => {
        if (message.type === 'ready') resolve(message);
      });
    });
    const message = await Promise.race([
      ready,
      once(child, 'exit').then(([code]) => Promise.reject(new Error(`${service} ended with ${code}`))),
    ]);
    this.#urls.set(service, message.info.url);
  }

  /** Runs `auth-server rotate-keys` as an operator does beside the running server. @returns the id of the new key */
  async rotateKeys(): Promise<string> {
    const child = spawn(process.execPath, [bin('auth'), 'rotate-keys'], {
      env: this.#env,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let out = '';
    child.stdout.on('data', (chunk: Buffer) => {
      out += String(chunk);
    });
    await once(child, 'close');
    const kid = /new key ([\w-]{43}):/.exec(out)?.[1];
    if (kid === undefined) throw new Error(`rotate-keys said: ${out}`);
    return kid;
  }

  async ask(service: Service, request: string, token?: string, form?: Record<string, string>): Promise<Told> {
    const [method = '', where = ''] = request.split(' ');
    const answer = await fetch(`${this.url(service)}${where}`, {
      method,
      ...(token !== undefined && { headers: { authorization: `Bearer ${token}` } }),
      ...(form && { body: new URLSearchParams(form) }),
    });
    const text = await answer.text();
    return { status: answer.status, json: text === '' ? undefined : JSON.parse(text) };
  }

  async login(username: string, password: string): Promise<string> {
    const { status, json } = await this.ask('auth', 'POST /auth/token', undefined, { username, password });
    if (status !== 200) throw new Error(`login of ${username}: ${status}`);
    return json.access_token as string;
  }

  /** Kills a service, like a crash. */
  async kill(service: Service): Promise<void> {
    const child = this.#children.get(service);
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }

  /** Ends a service and starts it on the same data, on another port. */
  async restart(service: Service): Promise<void> {
    await this.kill(service);
    await this.#run(service);
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#children.keys()].map((service) => this.kill(service)));
    this.#dir.remove();
  }
}
