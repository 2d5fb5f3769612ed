import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { createAuthService } from '@cl-server/auth';
import { silentLogger, sqliteUrl } from '@cl-server/service-kit';
import { eventually, freePort, projectRoot, type TempDir, tempDir } from '@cl-server/testing';

const program = path.join(projectRoot, 'apps/server/bin/cl-server.js');

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** One `cl-server`, started as by a terminal: the leader of its own process group. */
export class Launcher {
  readonly #process: ChildProcess;
  readonly ended: Promise<Ended>;
  stdout = '';
  stderr = '';

  constructor(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
    const umask = process.umask(0); // the platform must not depend on the umask that it was started with
    this.#process = spawn(process.execPath, [program, ...args], {
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
    });
    process.umask(umask);
    this.#process.stdout?.setEncoding('utf8').on('data', (text: string) => (this.stdout += text));
    this.#process.stderr?.setEncoding('utf8').on('data', (text: string) => (this.stderr += text));
    this.ended = new Promise((resolve) =>
      this.#process.on('close', (code) => resolve({ code, stdout: this.stdout, stderr: this.stderr })),
    );
  }

  get pid(): number {
    const { pid } = this.#process;
    if (pid === undefined) throw new Error('the launcher was not started');
    return pid;
  }

  /** Sends Ctrl-C as a terminal does: to each process of the group. */
  interrupt(): void {
    process.kill(-this.pid, 'SIGINT');
  }

  /** Maps the pid of every process in the group, including the launcher, to its command line. */
  group(): Map<number, string> {
    return processesOf(this.pid);
  }

  /** The pid of the child that runs this program, found by its file or its title in the command line. */
  childPid(program: string): number | undefined {
    const shown = new RegExp(`(^|/)${program}(\\.js)?( |$)`);
    for (const [pid, args] of this.group()) if (pid !== this.pid && shown.test(args)) return pid;
    return undefined;
  }

  /** @returns the pid that the process had */
  kill(program: string): number {
    const pid = this.childPid(program);
    if (pid === undefined) throw new Error(`no child ${program}`);
    process.kill(pid, 'SIGKILL');
    return pid;
  }

  get readyLines(): string[] {
    return this.stdout.split('\n').filter((line) => line.startsWith('ready '));
  }
}

/** The live processes of a group. */
export function processesOf(group: number): Map<number, string> {
  const rows = execFileSync('ps', ['-ww', '-eo', 'pid=,pgid=,stat=,args='], { encoding: 'utf8' }).split('\n');
  const found = new Map<number, string>();
  for (const row of rows) {
    const [, pid, pgid, state, args] = /^\s*(\d+)\s+(\d+)\s+(\S+)\s+(.*)$/.exec(row) ?? [];
    if (Number(pgid) === group && !state?.startsWith('Z')) found.set(Number(pid), args ?? '');
  }
  return found;
}

export interface TestPlatform {
  readonly launcher: Launcher;
  readonly dir: TempDir;
  /** The files that held tasks wait for; outside of the data folder, which a confined task cannot see. */
  readonly signals: TempDir;
  readonly urls: Readonly<Record<'auth' | 'store' | 'compute' | 'mqtt', string>>;
  token(): Promise<string>;
}

export const PASSWORD = 'a password of the tests';

/**
 * @param plugins source code of tasks for the plugin folder, by name
 * @param env additional variables
 * @param options further options of the launcher, without the dashes; MQTT over WebSocket is off by default
 */
export async function startTestPlatform(
  plugins: Readonly<Record<string, string>> = {},
  env: NodeJS.ProcessEnv = {},
  options: Readonly<Record<string, string>> = {},
): Promise<TestPlatform> {
  const dir = tempDir('cl-platform-');
  const signals = tempDir('cl-signals-');
  fs.mkdirSync(path.join(dir.path, 'plugins'));
  for (const [name, source] of Object.entries(plugins))
    fs.writeFileSync(path.join(dir.path, 'plugins', `${name}.mjs`), source);
  const services = ['auth', 'store', 'compute'].flatMap((name) => [`--${name}-port`, '0']);
  const mqtt = ['--mqtt-port', String(await freePort())];
  const further = Object.entries({ 'mqtt-ws-port': '0', ...options }).flatMap(([name, value]) => [`--${name}`, value]);
  const launcher = new Launcher(['start', '--data-dir', dir.path, '--workers', '1', ...services, ...mqtt, ...further], {
    ADMIN_PASSWORD: PASSWORD,
    MODELS_DOWNLOAD: 'never',
    WORKER_LEASE_SECONDS: '2',
    ...env,
  });
  await Promise.race([
    eventually(() => launcher.readyLines[0], { within: 90_000, what: 'the ready line' }),
    launcher.ended.then(({ stdout, stderr }) => {
      throw new Error(`the platform did not start:\n${stdout}\n${stderr}`);
    }),
  ]);
  const urls = JSON.parse(launcher.readyLines[0]?.slice(6) ?? '{}') as TestPlatform['urls'];
  return {
    launcher,
    dir,
    signals,
    urls,
    token: async () => {
      const response = await fetch(`${urls.auth}/auth/token`, {
        method: 'POST',
        body: new URLSearchParams({ username: 'admin', password: PASSWORD }),
      });
      return ((await response.json()) as { access_token: string }).access_token;
    },
  };
}

/** A task that runs until a file exists. */
export const HELD_TASK = `
import fs from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';

export default ({ defineTask, z }) =>
  defineTask({
    type: 'held',
    version: '1',
    summary: 'Waits for a file',
    file: 'none',
    params: z.object({ until: z.string() }),
    output: z.object({ done: z.boolean() }),
    load: async () => ({
      run: async ({ params, signal }) => {
        while (!fs.existsSync(params.until)) await pause(20, undefined, { signal });
        return { done: true };
      },
    }),
  });
`;

export interface SecondAuth {
  readonly url: string;
  close(): Promise<void>;
}

/** A second auth service with the platform's users and keys. @param tokenLifetime token lifetime in seconds */
export async function startSecondAuth({ dir }: TestPlatform, tokenLifetime: number): Promise<SecondAuth> {
  const service = await createAuthService({
    dataDir: dir.path,
    databaseUrl: sqliteUrl(path.join(dir.path, 'user_auth.db')),
    logger: silentLogger(),
    migrate: false,
    tokenLifetime,
  });
  const url = await service.app.listen({ host: '127.0.0.1', port: 0 });
  return { url, close: () => service.close() };
}

/** Ends everything that a test left running, however it failed. */
export async function endPlatform({ launcher, dir, signals }: TestPlatform): Promise<void> {
  for (const pid of launcher.group().keys()) process.kill(pid, 'SIGKILL');
  await launcher.ended;
  dir.remove();
  signals.remove();
}

export interface JobView {
  readonly job_id: string;
  readonly status: string;
  readonly progress: number;
  readonly task_output: Readonly<Record<string, unknown>> | null;
}

export async function submit(
  { urls }: TestPlatform,
  token: string,
  task: string,
  fields: Readonly<Record<string, string | Blob>>,
): Promise<string> {
  const body = new FormData();
  for (const [name, value] of Object.entries(fields))
    if (typeof value === 'string') body.append(name, value);
    else body.append(name, value, 'note.txt');
  const response = await fetch(`${urls.compute}/jobs/${task}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}` },
    body,
  });
  return ((await response.json()) as JobView).job_id;
}

export const submitHash = (platform: TestPlatform, token: string, content: string): Promise<string> =>
  submit(platform, token, 'hash', { file: new Blob([content]) });

export async function jobOf({ urls }: TestPlatform, token: string, id: string): Promise<JobView> {
  const response = await fetch(`${urls.compute}/jobs/${id}`, { headers: { authorization: `Bearer ${token}` } });
  return (await response.json()) as JobView;
}
