/** An engine on a fresh database and folder, with a clock and a broker that the test holds. */
import { type Broadcaster, migrate, noBroadcaster, openDatabase, silentLogger } from '@cl-server/service-kit';
import { type Backend, tempDir } from '@cl-server/testing';
import type { NewJob } from '../../src/index.js';
import {
  type JobEngine,
  type JobEngineOptions,
  type JobTables,
  jobMigrations,
  newJobId,
  openJobs,
} from '../../src/index.js';

export class FakeClock {
  constructor(public time = 1_800_000_000_000) {}
  readonly now = (): number => this.time;
  advance(ms: number): void {
    this.time += ms;
  }
}

export interface Message {
  readonly topic: string;
  readonly payload: unknown;
  readonly retain: boolean;
}

/** Keeps what is published; `connected` can be taken away. */
export class RecordingBroadcaster implements Broadcaster {
  connected = true;
  readonly messages: Message[] = [];

  async publish(topic: string, payload: unknown, { retain = false } = {}): Promise<boolean> {
    if (!this.connected) return false;
    this.messages.push({ topic, payload: structuredClone(payload), retain });
    return true;
  }
  clearRetained(topic: string): Promise<boolean> {
    return this.publish(topic, '', { retain: true });
  }
  subscribe: Broadcaster['subscribe'] = async () => async () => undefined;
  onConnect = () => (): void => undefined;
  close = async (): Promise<void> => undefined;

  on(topic: string): unknown[] {
    return this.messages.filter((message) => message.topic === topic).map(({ payload }) => payload);
  }
}

export interface TestEngine extends JobEngine {
  readonly clock: FakeClock;
  readonly database: JobEngineOptions['database'];
  readonly folder: string;
  /** Another engine on the same database and folder, as another process would have. */
  another(options?: Partial<JobEngineOptions>): JobEngine;
  /** Adds a queued job of type `noop`. @returns its id */
  add(job?: Partial<NewJob>): Promise<string>;
  dispose(): Promise<void>;
}

export async function startEngine(backend: Backend, options: Partial<JobEngineOptions> = {}): Promise<TestEngine> {
  const { url, drop } = await backend.create();
  const dir = tempDir('cl-jobs-');
  const database = openDatabase<JobTables>(url, { schema: 'jobs', synchronous: 'normal' });
  await migrate(database, jobMigrations);
  const clock = new FakeClock();
  const defaults: JobEngineOptions = {
    database,
    storageDir: dir.path,
    broadcaster: noBroadcaster,
    logger: silentLogger(),
    leaseMs: 20_000,
    retryDelayMs: 1_000,
    upkeepMs: 0,
    now: clock.now,
    ...options,
  };
  const engine = openJobs(defaults);
  await engine.identity.mismatch(); // a service looks at its start, and so marks folder and database
  const others: JobEngine[] = [];
  return {
    ...engine,
    clock,
    database,
    folder: dir.path,
    another: (more = {}) => {
      const other = openJobs({ ...defaults, ...more });
      others.push(other);
      return other;
    },
    add: async (job = {}) => {
      const job_id = job.job_id ?? newJobId();
      await engine.repository.addJob({ task_type: 'noop', params: {}, ...job, job_id });
      return job_id;
    },
    dispose: async () => {
      await Promise.all([engine, ...others].map((one) => one.close()));
      await database.close();
      await drop();
      dir.remove();
    },
  };
}
