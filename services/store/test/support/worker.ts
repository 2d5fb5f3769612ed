/** A compute worker as a process of its own, on a store's database and folders. */
import { type ChildProcess, fork } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { projectRoot } from '@cl-server/testing';

/** The program runs the build. */
export const isWorkerBuilt = fs.existsSync(path.join(projectRoot, 'packages/worker/dist/bin/compute-worker.js'));

export interface WorkerOptions {
  readonly databaseUrl: string;
  /** Streams are in `streams` below it. */
  readonly dataDir: string;
  readonly mediaDir: string;
  readonly jobStorageDir: string;
  readonly tasks: string;
}

export class ComputeWorker {
  private constructor(private readonly child: ChildProcess) {}

  /** Resolves when it logs that it is ready. */
  static async start({ databaseUrl, dataDir, mediaDir, jobStorageDir, tasks }: WorkerOptions): Promise<ComputeWorker> {
    const flags = ['--tasks', tasks, '--concurrency', '1', '--worker-poll-interval', '0.1', '--lease', '2'];
    const child = fork(path.join(projectRoot, 'packages/worker/bin/compute-worker.js'), flags, {
      env: {
        PATH: process.env.PATH,
        CL_SERVER_DIR: dataDir,
        DATABASE_URL: databaseUrl,
        MEDIA_STORAGE_DIR: mediaDir,
        COMPUTE_STORAGE_DIR: jobStorageDir,
        MODELS_DOWNLOAD: 'never',
        BROADCAST_TYPE: 'none',
        LOG_LEVEL: process.env.CL_TEST_LOG ?? 'fatal',
      },
      execArgv: [],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    await new Promise<void>((resolve, reject) => {
      child.on('message', (message: { type?: string }) => {
        if (message.type === 'ready') resolve();
      });
      child.once('exit', (code) => reject(new Error(`the worker ended with ${code}`)));
    });
    return new ComputeWorker(child);
  }

  /** Kills it, without a chance to clean up. */
  async kill(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const gone = new Promise<void>((resolve) => this.child.once('exit', () => resolve()));
    this.child.kill('SIGKILL');
    await gone;
  }
}
