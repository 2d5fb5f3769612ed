/** The programs of the services, each a process of its own, on one data folder. */
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
  // biome-ignore lint/suspicious/noExplicitAny: tests look into whatever came
  readonly json: any;
}

export class Programs {
  readonly #dir: TempDir = tempDir('cl-programs-');
  readonly #urls = new Map<Service, string>();
  readonly #children: ChildProcess[] = [];

  static async start(): Promise<Programs> {
    const programs = new Programs();
    for (const service of ['auth', 'store', 'compute'] as const) await programs.#run(service);
    return programs;
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
    };
  }

  async #run(service: Service): Promise<void> {
    const options = { env: this.#env, execArgv: [], stdio: ['ignore', 'ignore', 'inherit', 'ipc'] as const };
    const child = fork(bin(service), ['--port=0'], { ...options, stdio: [...options.stdio] });
    this.#children.push(child);
    const [message] = (await Promise.race([
      once(child, 'message'),
      once(child, 'exit').then(([code]) => Promise.reject(new Error(`${service} ended with ${code}`))),
    ])) as [{ info: { url: string } }];
    this.#urls.set(service, message.info.url);
  }

  /** `auth-server rotate-keys`, as an operator runs it beside the running server. @returns the new key's id */
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
    const answer = await fetch(`${this.#urls.get(service)}${where}`, {
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

  async stop(): Promise<void> {
    await Promise.all(
      this.#children.map(async (child) => {
        if (child.exitCode !== null || child.signalCode !== null) return;
        child.kill('SIGKILL');
        await once(child, 'exit');
      }),
    );
    this.#dir.remove();
  }
}
