// Continues the current program on a downloaded Node, because the installed one is too old. A program cannot become another one in
// Node, so this process stays as a thin parent: it passes signals on, and its child ends with it.
import { spawn } from 'node:child_process';
import path from 'node:path';
import { Fault, say } from '../bootstrap/say.js';
import { nodeEnvironment, nodeHome, pinnedVersions } from './home.js';

/** The child watches this descriptor: it ends when the parent does, in whatever way. */
const PARENT_PIPE = 3;

/** Ctrl-C on a terminal reaches the child directly; otherwise (a service manager, a test) only this process gets it. */
const forwarded = () => ['SIGTERM', 'SIGHUP', ...(process.stdin.isTTY ? [] : ['SIGINT'])];

function handOver(program, args, env) {
  const child = spawn(program, args, { stdio: ['inherit', 'inherit', 'inherit', 'pipe'], env });
  child.stdio[PARENT_PIPE].on('error', () => {});
  process.on('SIGINT', () => {});
  for (const signal of forwarded()) process.on(signal, () => child.kill(signal));
  child.on('error', (error) => {
    say(`cl-server: ${program} cannot be started: ${error.message}`);
    process.exitCode = 1;
  });
  child.on('exit', (code, signal) => {
    if (!signal) process.exit(code ?? 1);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}

/**
 * Runs the current program once more, on the downloaded Node.
 * @returns {Promise<void>} when it has started; this process ends when it ends
 */
export async function hop() {
  try {
    const why = `this is Node ${process.versions.node}, and 22.14 or newer is needed`;
    const home = await nodeHome(pinnedVersions().recommended, why);
    const env = { ...nodeEnvironment(home), CL_SERVER_LIFELINE: String(PARENT_PIPE) };
    handOver(path.join(home, 'bin/node'), [...process.execArgv, ...process.argv.slice(1)], env);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    say(`cl-server: ${error.message}`);
    process.exitCode = 1;
  }
}
