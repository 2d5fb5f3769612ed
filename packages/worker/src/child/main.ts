/**
 * A runner: the child process in which tasks run. It knows nothing of queues, leases or databases; it receives what to run
 * and answers what came of it.
 */
import os from 'node:os';
import { hardenProcess } from '@cl-server/service-kit/program';
import type { ToRunner } from '../runners/protocol.js';
import { watchParent } from './parent-watch.js';
import { JobRuns } from './run.js';
import { RunnerTasks } from './tasks.js';

/** Media work must not slow down the services on the same machine. */
const NICE = 5;
const TEARDOWN_WITHIN = 3_000;

hardenProcess();
watchParent(Number(process.argv[2]));
process.title = 'task-runner';
// A platform that runs at a lower priority, under `nice` for example, keeps it: a confined process may not raise its own.
if (os.getPriority() < NICE) os.setPriority(NICE);

let tasks: RunnerTasks | undefined;
let runs: JobRuns | undefined;

async function stop(): Promise<never> {
  const late = setTimeout(() => process.exit(0), TEARDOWN_WITHIN);
  await tasks?.tearDown();
  clearTimeout(late);
  process.exit(0);
}

async function handle(message: ToRunner): Promise<void> {
  switch (message.type) {
    case 'start':
      tasks = new RunnerTasks(message.tasks, message.env, message.known);
      runs = new JobRuns(tasks);
      return tasks.setUpAll(message.setUp, message.sequential);
    case 'run':
      return runs?.run(message);
    case 'abort':
      return runs?.abort(message.job_id, message.reason);
    case 'return':
      return runs?.returnWaiting();
    case 'setup':
      return tasks?.setUp(message.task);
    case 'stop':
      return stop();
  }
}

// A rejection or exception outside of a job's own promise is the task's fault but nobody's answer: the process ends, and
// the engine counts a crash of what was running.
process.on('message', (message: ToRunner) => void handle(message));
