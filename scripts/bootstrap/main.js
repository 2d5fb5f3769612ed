import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from './build.js';
import { installPackages, rebuildForThisNode } from './packages.js';
import { handOver } from './run.js';
import { Fault, say } from './say.js';
import { installTools } from './tools.js';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');

/** In this very process: one process less between the terminal and the supervisor, and signals need no forwarding. */
const serve = async (args) => {
  const program = path.join(root, 'apps/server/bin/cl-server.js');
  process.argv.splice(1, Number.POSITIVE_INFINITY, program, 'start', ...args);
  await import(pathToFileURL(program).href);
};

const script = (file) => async (args) => {
  process.exitCode = await handOver(process.execPath, [path.join(root, file), ...args]);
};

const COMMANDS = {
  start: serve,
  test: (args) => script('node_modules/vitest/vitest.mjs')(['run', ...args]),
  demo: script('examples/demo/demo.js'),
  bench: script('bench/run.mjs'),
  /** Only makes what is missing. */
  setup: async () => {},
};

/** @param {string} name @param {readonly string[]} args */
export async function bootstrap(name, args) {
  try {
    const command = COMMANDS[name];
    if (!command) throw new Fault(`unknown command ${name}: one of ${Object.keys(COMMANDS).join(', ')}`);
    await installTools(process.env);
    await installPackages(root);
    await rebuildForThisNode(root);
    await build(root);
    await command(args);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    say(`cl-server: ${error.message}`);
    process.exitCode = 1;
  }
}
