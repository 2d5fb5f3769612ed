import { spawn } from 'node:child_process';
import { openDataDir, StartupError } from '@cl-server/service-kit/program';
import { planPlatform } from '../platform/plan.js';
import { type ProgramName, programFile } from '../platform/programs.js';
import type { CommandInput } from './command.js';

/** Each service migrates its own tables. The jobs' tables come first, because the store's tables refer to them. */
const STEPS: readonly (readonly [ProgramName, ...string[]])[] = [
  ['auth-server', 'migrate'],
  ['compute-migrate'],
  ['store', 'migrate'],
];

const run = (file: string, args: readonly string[], env: Readonly<Record<string, string>>): Promise<number> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [file, ...args], { stdio: 'inherit', env: { ...env } });
    child.on('error', reject);
    child.on('exit', (code) => resolve(code ?? 1));
  });

/** Migrates all databases to the newest schema. */
export async function migrate({ settings, env, dataDir, print }: CommandInput): Promise<undefined> {
  openDataDir(dataDir, { create: true });
  const { environment } = planPlatform({ settings, env, dataDir });
  for (const [program, ...args] of STEPS) {
    print(`${[program, ...args].join(' ')}:\n`);
    const code = await run(programFile(program), args, environment);
    if (code !== 0) throw new StartupError(`${program} ended with exit code ${code}; its message is above`);
  }
  return undefined;
}
