/** A store with its insight worker and a compute worker: real processes, models made by the tests, the real face detector. */
import { type ChildProcess, fork } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import type { Intelligence } from '@cl-server/contract';
import { builtInInsights, discoverInsights, type Insight } from '@cl-server/insight';
import { ModelStore } from '@cl-server/models';
import { silentLogger } from '@cl-server/service-kit';
import { discoverTasks } from '@cl-server/task-kit';
import {
  type Backend,
  eventually,
  installStandIns,
  modelFile,
  projectRoot,
  SMALL_FACE_MODEL,
  type TempDir,
  tempDir,
} from '@cl-server/testing';
import { startStore, type TestStore } from './store.js';

/** The programs run the build. */
export const isBuilt = [
  'services/store/dist/bin/m-insight-worker.js',
  'packages/worker/dist/bin/compute-worker.js',
].every((file) => fs.existsSync(path.join(projectRoot, file)));

export interface InsightOptions {
  /** Models in the folder; the others are missing. */
  readonly models?: (dir: string) => void | Promise<void>;
  /** URL of a broker; without it all processes poll. */
  readonly mqttUrl?: string;
  /** Fills the plugin folder. */
  readonly plugins?: (dir: string) => void;
}

/** All stand-ins, the real detector, and for faces a real model small enough for tests. */
export async function testModels(dir: string): Promise<void> {
  installStandIns(dir);
  fs.copyFileSync(modelFile('face_detection_yunet_2026may.onnx'), path.join(dir, 'face_detection_yunet_2026may.onnx'));
  await new ModelStore({ dir }).use('face_embedding', modelFile('mobilefacenet.onnx'), SMALL_FACE_MODEL);
}

type Program = 'insight' | 'worker' | 'compute';
const BIN: Readonly<Record<Program, string>> = {
  insight: 'services/store/bin/m-insight-worker.js',
  worker: 'packages/worker/bin/compute-worker.js',
  compute: 'services/compute/bin/compute-server.js',
};
const FLAGS: Readonly<Record<Program, readonly string[]>> = {
  insight: [],
  compute: ['--port', '0', '--no-auth'],
  worker: ['--worker-id', 'test-worker', '--concurrency', '2', '--poll-interval', '0.1'],
};

export class InsightPlatform {
  readonly #children = new Map<Program, ChildProcess>();

  private constructor(
    readonly store: TestStore,
    readonly modelsDir: string,
    private readonly dir: TempDir,
    private readonly env: NodeJS.ProcessEnv,
    private readonly plugins: { readonly pluginsDir: string; readonly insights: Insight[] },
  ) {}

  /** Empties the plugin folder and restarts the store; the other programs notice when they are started again. */
  async removePlugins(): Promise<void> {
    fs.rmSync(this.plugins.pluginsDir, { recursive: true });
    this.plugins.insights.length = 0;
    await this.store.restart();
  }

  static async start(
    backend: Backend,
    { models = testModels, mqttUrl, plugins }: InsightOptions = {},
  ): Promise<InsightPlatform> {
    const dir = tempDir('cl-insight-');
    const modelsDir = path.join(dir.path, 'models');
    fs.mkdirSync(modelsDir);
    await models(modelsDir);
    const jobStorageDir = path.join(dir.path, 'compute');
    const pluginsDir = path.join(dir.path, 'plugins');
    fs.mkdirSync(pluginsDir);
    plugins?.(pluginsDir);
    const insights = await discoverInsights({ known: builtInInsights, pluginsDir, logger: silentLogger() });
    const store = await startStore(backend, {
      jobStorageDir,
      tasks: await discoverTasks({ pluginsDir }),
      insights,
    });
    const env = {
      PATH: process.env.PATH,
      CL_SERVER_DIR: dir.path,
      DATABASE_URL: store.databaseUrl,
      MEDIA_STORAGE_DIR: store.mediaDir,
      COMPUTE_STORAGE_DIR: jobStorageDir,
      MODELS_DIR: modelsDir,
      MODELS_DOWNLOAD: 'never',
      WORKER_RECHECK_SECONDS: '1',
      ...(mqttUrl === undefined ? { BROADCAST_TYPE: 'none' } : { MQTT_URL: mqttUrl }),
      LOG_LEVEL: process.env.CL_TEST_LOG ?? 'fatal',
    };
    const platform = new InsightPlatform(store, modelsDir, dir, env, { pluginsDir, insights });
    await platform.run('insight');
    await platform.run('worker');
    // If there is a broker, compute ends the jobs that no worker can run.
    if (mqttUrl !== undefined) await platform.run('compute');
    return platform;
  }

  /** Starts a program and waits until it logs that it is ready. */
  async run(program: Program): Promise<void> {
    const child = fork(path.join(projectRoot, BIN[program]), [...FLAGS[program]], {
      env: this.env,
      execArgv: [],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    this.#children.set(program, child);
    await new Promise<void>((resolve, reject) => {
      child.on('message', (message: { type?: string }) => {
        if (message.type === 'ready') resolve();
      });
      child.once('exit', (code) => reject(new Error(`${program} ended with ${code}`)));
    });
  }

  /** Kills a program, without a chance to clean up. */
  async kill(program: Program): Promise<void> {
    const child = this.#children.get(program);
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    child.kill('SIGKILL');
    await gone;
  }

  intelligence = async (id: number): Promise<Intelligence | null> =>
    (await this.store.get<Intelligence | null>(`/intelligence/entities/${id}`)).json;

  /** Waits until all inferences of an entity have ended. */
  settled(id: number, within = 60_000): Promise<Intelligence> {
    return eventually(
      async () => {
        const state = await this.intelligence(id);
        return state && ['completed', 'failed'].includes(state.overall_status) ? state : undefined;
      },
      { within, every: 100, what: `the end of understanding entity ${id}` },
    ) as Promise<Intelligence>;
  }

  async stop(): Promise<void> {
    for (const program of this.#children.keys()) await this.kill(program);
    await this.store.stop();
    this.dir.remove();
  }
}
