/** A data folder with job tables, test plugins and real worker processes; everything ends with it. */
import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { isTerminal } from '@cl-server/contract';
import { type JobEngine, type JobRecord, type JobTables, jobMigrations, newJobId, openJobs } from '@cl-server/jobs';
import {
  type Broadcaster,
  connectBroadcaster,
  type Database,
  migrate,
  noBroadcaster,
  openDatabase,
  silentLogger,
} from '@cl-server/service-kit';
import { eventually, tempDir } from '@cl-server/testing';

const here = path.dirname(fileURLToPath(import.meta.url));
const BIN = path.resolve(here, '../../bin/compute-worker.js');

export interface WorkerProcess {
  readonly id: string;
  readonly child: ChildProcess;
  readonly pid: number;
  /** Facts that it reported to its supervisor when it was ready. */
  readonly ready: Promise<{ readonly worker_id: string; readonly tasks: readonly string[] }>;
  readonly exited: Promise<number | null>;
  /** All it printed so far. */
  output(): string;
}

export interface WorkerFlags {
  readonly id?: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

export interface TestPlatform {
  readonly dataDir: string;
  readonly database: Database<JobTables>;
  readonly jobs: JobEngine;
  start(flags?: WorkerFlags): WorkerProcess;
  add(task: string, params?: Readonly<Record<string, unknown>>, more?: object): Promise<string>;
  job(id: string): Promise<JobRecord>;
  /** The attempts of a job whose results were delivered. */
  delivered(id: string): string[];
  /** The folders in which attempts of a job are writing results, or wrote results that are not delivered yet. */
  beingWritten(id: string): string[];
  /** The job at its end. */
  ended(id: string, within?: number): Promise<JobRecord>;
  close(): Promise<void>;
}

export interface PlatformOptions {
  readonly url?: string;
  readonly mqttUrl?: string;
  /** Names of test plugins. */
  readonly plugins: readonly string[];
  /** Whether the reconciler runs, as it does in the compute service. */
  readonly reconciles?: boolean;
}

export async function testPlatform(options: PlatformOptions): Promise<TestPlatform> {
  const dir = tempDir('cl-worker-');
  const dataDir = dir.path;
  const url = options.url ?? `sqlite://${path.join(dataDir, 'store.db')}`;
  const pluginsDir = path.join(dataDir, 'plugins');
  fs.mkdirSync(pluginsDir);
  for (const name of options.plugins)
    fs.copyFileSync(path.join(here, 'plugins', `${name}.mjs`), path.join(pluginsDir, `${name}.mjs`));
  const database = openDatabase<JobTables>(url, { schema: 'jobs', synchronous: 'full' });
  await migrate(database, jobMigrations);
  const logger = silentLogger();
  const broadcaster: Broadcaster =
    options.mqttUrl === undefined ? noBroadcaster : await connectBroadcaster({ url: options.mqttUrl, logger });
  const jobs = openJobs({ database, storageDir: path.join(dataDir, 'compute'), broadcaster, logger, retryDelayMs: 50 });
  const workers: WorkerProcess[] = [];
  const stopping = new AbortController();
  const reconciling = options.reconciles ? jobs.reconciler.run(stopping.signal) : undefined;

  const start = ({ id = `w${workers.length + 1}`, args = [], env = {} }: WorkerFlags = {}): WorkerProcess => {
    const broker = options.mqttUrl === undefined ? { BROADCAST_TYPE: 'none' } : { MQTT_URL: options.mqttUrl };
    const child = spawn(process.execPath, [BIN, '--worker-id', id, ...args], {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      env: {
        PATH: process.env['PATH'],
        CL_SERVER_DIR: dataDir,
        WORKER_DATABASE_URL: url,
        WORKER_SUPPORTED_TASKS: options.plugins.filter((name) => name !== 'broken').join(','),
        WORKER_LEASE_SECONDS: '2',
        WORKER_POLL_INTERVAL: '0.2',
        WORKER_GRACE_SECONDS: '0.3',
        ...broker,
        ...env,
      },
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr] as Readable[])
      stream.on('data', (chunk: Buffer) => {
        output += chunk.toString();
      });
    const exited = new Promise<number | null>((resolve) => child.on('exit', (code) => resolve(code)));
    const ready = new Promise<{ worker_id: string; tasks: string[] }>((resolve, reject) => {
      child.on('message', (message: { type: string; info: { worker_id: string; tasks: string[] } }) => {
        if (message.type === 'ready') resolve(message.info);
      });
      void exited.then((code) => reject(new Error(`worker ended with ${code}: ${output}`)));
    });
    ready.catch(() => undefined);
    const worker = { id, child, pid: child.pid ?? 0, ready, exited, output: () => output };
    workers.push(worker);
    return worker;
  };

  const namesIn = (...folder: string[]): string[] => {
    const at = path.join(dataDir, ...folder);
    return fs.existsSync(at) ? fs.readdirSync(at) : [];
  };

  const job = async (id: string): Promise<JobRecord> => {
    const found = await jobs.repository.getJob(id);
    if (!found) throw new Error(`no job ${id}`);
    return found;
  };

  return {
    dataDir,
    database,
    jobs,
    start,
    add: async (task, params = {}, more = {}) => {
      const job_id = newJobId();
      await jobs.repository.addJob({ job_id, task_type: task, params, ...more });
      return job_id;
    },
    job,
    delivered: (id) => namesIn('compute', id, 'attempts'),
    beingWritten: (id) =>
      namesIn('scratch').flatMap((worker) =>
        namesIn('scratch', worker).filter((name) => name.startsWith(id) && name.endsWith('.results')),
      ),
    ended: (id, within = 20_000) =>
      eventually(
        async () => {
          const found = await job(id);
          return isTerminal(found.status) && found;
        },
        { within, what: `the end of job ${id}` },
      ),
    close: async () => {
      for (const { child } of workers) {
        child.kill('SIGCONT');
        child.kill('SIGKILL');
      }
      await Promise.all(workers.map(({ exited }) => exited));
      stopping.abort();
      await reconciling;
      await jobs.close();
      await broadcaster.close();
      await database.close();
      dir.remove();
    },
  };
}

/** Whether a process is there (and not a zombie). */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  try {
    return !/^State:\s+Z/m.test(fs.readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return fs.existsSync('/proc/self') === false;
  }
}

/** Children of a process, as the system lists them. */
export function childrenOf(pid: number): number[] {
  const tasks = fs.readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return tasks.split(' ').filter(Boolean).map(Number);
}
