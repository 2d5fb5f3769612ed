// Runs benchmarks: npm run bench -- [name …] [--check]. Each benchmark is a file of this folder, which can also be run
// alone. Files with a dash, the soak test (npm run test:soak) and the files in lib/ are helpers. With --check, the exit
// code is 1 if a promised ratio is not reached. Needs the build.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const folder = import.meta.dirname;
const known = fs
  .readdirSync(folder)
  .filter((file) => /^\w+\.mjs$/.test(file) && !['run.mjs', 'soak.mjs'].includes(file))
  .map((file) => file.slice(0, -'.mjs'.length));
const [names, options] = [[], []];
for (const word of process.argv.slice(2)) (options.length > 0 || word.startsWith('-') ? options : names).push(word);
const unknown = names.filter((name) => !known.includes(name));
if (unknown.length > 0) {
  console.error(`unknown benchmark ${unknown.join(', ')}; available: ${known.join(', ')}`);
  process.exit(2);
}

const [cpu] = os.cpus();
const memory = Math.round(os.totalmem() / 2 ** 30);
console.log(`${cpu?.model.trim()} × ${os.availableParallelism()}, ${memory} GiB, ${os.type()} ${os.release()}`);
console.log(`Node ${process.version}, load ${os.loadavg()[0]?.toFixed(1)} before the start\n`);
const absent = ['--import', pathToFileURL(path.join(folder, 'lib/absent.mjs')).href];
let missed = false;
for (const name of names.length > 0 ? names : known) {
  console.log(`## ${name}`);
  const { status } = spawnSync(process.execPath, [...absent, path.join(folder, `${name}.mjs`), ...options], {
    stdio: 'inherit',
  });
  missed ||= status !== 0;
  console.log();
}
process.exit(missed ? 1 : 0);
