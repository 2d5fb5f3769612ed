import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { alone } from './alone.js';
import { build, needsBuild } from './build.js';
import { COMMANDS } from './commands.js';
import { installPackages, linkVitest, whatToInstall } from './packages.js';
import { Fault, say } from './say.js';
import { installTools, toolsToInstall } from './tools.js';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');

/** Checks again after it has waited for another process, which may have done everything. */
const makePackages = (needs) =>
  alone(root, async () => {
    await installPackages(root, needs);
    linkVitest(root);
    await build(root);
  });

/** Installs the tools of the system at the same time as the packages. If one fails, it waits for the other to end. */
async function makeAll(needs) {
  const tools = toolsToInstall(process.env);
  const missing = whatToInstall(root, needs) || needsBuild(root);
  const work = [installTools(tools, process.env), missing ? makePackages(needs) : undefined];
  for (const result of await Promise.allSettled(work)) if (result.status === 'rejected') throw result.reason;
  if (!missing) linkVitest(root);
}

/** @param {string} name @param {readonly string[]} args */
export async function bootstrap(name, args) {
  try {
    const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
    if (!command) throw new Fault(`unknown command ${name}: one of ${Object.keys(COMMANDS).join(', ')}`);
    await makeAll(command.needs);
    await command.run(root, args);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    say(`cl-server: ${error.message}`);
    process.exitCode = 1;
  }
}
