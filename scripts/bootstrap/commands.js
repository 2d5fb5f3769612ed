// The scripts of package.json, which run when everything that they need is installed.
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { bundledServer } from './bundle.js';
import { handOver } from './run.js';
import { Fault, say } from './say.js';

/** Runs the launcher in this process: one process fewer between the terminal and the supervisor, and no signal forwarding. */
const serve = async (root, args) => {
  const program = (await bundledServer(root)) ?? path.join(root, 'apps/server/bin/cl-server.js');
  process.argv.splice(1, Number.POSITIVE_INFINITY, program, 'start', ...args);
  await import(pathToFileURL(program).href);
};

/** @returns {Promise<number>} the exit code of a program of this project or of a package */
const execute = (root, [file, ...args], env = process.env) =>
  handOver(process.execPath, [path.join(root, file), ...args], env);

const program =
  (...command) =>
  async (root, args) => {
    process.exitCode = await execute(root, [...command, ...args]);
  };

const TYPEDOC = ['node_modules/typedoc/bin/typedoc', '--options', 'packages/client/typedoc.json'];
const BIOME = 'node_modules/@biomejs/biome/bin/biome';

/** The checks by name, in the order in which `npm run check` runs them; one that fails ends the run. */
const CHECKS = {
  types: [['node_modules/typescript-7/bin/tsc', '-p', 'tsconfig.test.json']],
  api: [['scripts/openapi.js', '--check'], ['scripts/lint-openapi.js']],
  docs: [TYPEDOC, ['scripts/adr-index.js', '--check'], ['scripts/settings.js', '--check'], ['scripts/prose.js']],
  lint: [
    [BIOME, 'check', '.'],
    ['node_modules/eslint/bin/eslint.js', '.'],
  ],
  deps: [
    [
      'node_modules/dependency-cruiser/bin/dependency-cruise.mjs',
      ...['packages', 'services', 'apps', 'testing'],
      ...['--config', '.dependency-cruiser.cjs'],
    ],
    ['scripts/rooms.js', '--check'],
  ],
  dead: [['node_modules/knip/bin/knip.js']],
};

async function check(root, names) {
  const unknown = names.filter((name) => !Object.hasOwn(CHECKS, name));
  if (unknown.length > 0)
    throw new Fault(`unknown check ${unknown.join(', ')}: one of ${Object.keys(CHECKS).join(', ')}`);
  for (const name of names.length > 0 ? names : Object.keys(CHECKS)) {
    say(`Checking ${name}`);
    for (const command of CHECKS[name]) {
      process.exitCode = await execute(root, command);
      if (process.exitCode !== 0) return;
    }
  }
}

/** The long form of the fault tests: several minutes each, one after another. */
const FAULTS = [
  'packages/worker/test/faults.test.ts',
  'services/compute/test/faults.test.ts',
  'services/store/test/crash.test.ts',
  'test/faults/insight.test.ts',
];
const VITEST = 'node_modules/vitest/vitest.mjs';

async function faults(root, args) {
  const env = { ...process.env, CL_TEST_FAULTS: 'long' };
  process.exitCode = await execute(root, [VITEST, 'run', '--no-file-parallelism', ...FAULTS, ...args], env);
}

const nothingMore = async () => {};

/** @type {Readonly<Record<string, { needs: 'run' | 'all', run: (root: string, args: readonly string[]) => Promise<void> }>>} */
export const COMMANDS = {
  start: { needs: 'run', run: serve },
  demo: { needs: 'run', run: program('examples/demo/demo.js') },
  build: { needs: 'run', run: nothingMore },
  test: { needs: 'all', run: program(VITEST, 'run') },
  faults: { needs: 'all', run: faults },
  bench: { needs: 'all', run: program('bench/run.mjs') },
  soak: { needs: 'all', run: program('bench/soak.mjs') },
  check: { needs: 'all', run: check },
  /** Writes the reference of the SDK to docs/api/sdk. */
  docs: { needs: 'all', run: program(...TYPEDOC) },
  format: { needs: 'all', run: program(BIOME, 'check', '--write', '.') },
  /** Installs and builds everything that is missing. */
  setup: { needs: 'all', run: nothingMore },
};
