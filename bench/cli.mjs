// Measures how fast the command line starts, compared with bare Node, and how much time loading the SDK adds. Needs the
// build.
import { execFileSync } from 'node:child_process';
import os from 'node:os';
import path from 'node:path';
import { median } from './lib/measure.mjs';

const ROUNDS = 15;
const MAX_RATIO = 3;
const root = path.resolve(import.meta.dirname, '..');
const program = path.join(root, 'apps/cli/bin/cl-client.js');
const env = { ...process.env, CL_CONFIG_DIR: path.join(os.tmpdir(), 'cl-client-bench-none') };

const start = (...args) => {
  const began = performance.now();
  execFileSync(process.execPath, args, { stdio: 'ignore', env });
  return performance.now() - began;
};
const cases = {
  'node -e 0': ['-e', '0'],
  'cl-client --version': [program, '--version'],
  'cl-client --help': [program, '--help'],
  'cl-client config get (loads the SDK)': [program, 'config', 'get', '--json'],
};
// The cases alternate, so that other load on the machine affects all of them.
const times = Object.fromEntries(Object.keys(cases).map((name) => [name, []]));
for (let i = 0; i < ROUNDS; i++) for (const [name, args] of Object.entries(cases)) times[name].push(start(...args));
const bare = median(times['node -e 0']);
for (const [name, list] of Object.entries(times)) {
  const ms = median(list);
  console.log(`${name.padEnd(38)} ${ms.toFixed(0).padStart(5)} ms   ${(ms / bare).toFixed(2)} × bare node`);
}
const ratio = median(times['cl-client --version'].map((ms, i) => ms / times['node -e 0'][i]));
const held = ratio <= MAX_RATIO;
console.log(`--version: ${ratio.toFixed(2)} × bare node, promised at most ${MAX_RATIO}: ${held ? 'held' : 'MISSED'}`);
if (process.argv.includes('--check') && !held) process.exitCode = 1;
