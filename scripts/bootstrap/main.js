import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from './build.js';
import { COMMANDS } from './commands.js';
import { installPackages, linkVitest } from './packages.js';
import { Fault, say } from './say.js';
import { installTools } from './tools.js';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');

/** @param {string} name @param {readonly string[]} args */
export async function bootstrap(name, args) {
  try {
    const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
    if (!command) throw new Fault(`unknown command ${name}: one of ${Object.keys(COMMANDS).join(', ')}`);
    await installTools(process.env);
    await installPackages(root);
    linkVitest(root);
    await build(root);
    await command(root, args);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    say(`cl-server: ${error.message}`);
    process.exitCode = 1;
  }
}
