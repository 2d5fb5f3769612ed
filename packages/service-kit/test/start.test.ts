import { spawn } from 'node:child_process';
import readline from 'node:readline';
import { afterEach, expect, it } from 'vitest';

/** A program that prints twice a second how V8 runs its one function, which uses most of a processor or almost nothing. */
const program = (isBusy: boolean): string => `
  import { runProgram } from '@cl-server/service-kit/program';
  const add = (a, b) => a + b;
  let sum = 0;
  await runProgram({ name: 'test', start: async () => ({ info: {}, stop: async () => {} }) });
  setInterval(() => { const end = performance.now() + ${isBusy ? 30 : 0}; do sum = add(sum, 1); while (performance.now() < end); }, 50);
  setInterval(() => console.log(%GetOptimizationStatus(add)), 500);
`;
/** Bits of V8's optimization status: optimized code of Maglev and of TurboFan. */
const OPTIMIZED = (1 << 4) | (1 << 5) | (1 << 6);

const children: ReturnType<typeof spawn>[] = [];
afterEach(async () => {
  for (const child of children.splice(0)) {
    const ended = new Promise((resolve) => child.once('exit', resolve));
    if (child.kill('SIGKILL')) await ended;
  }
});

async function isOptimized(isBusy: boolean, looks: number): Promise<boolean> {
  const flags = ['--allow-natives-syntax', '--expose-gc', '--no-opt', '--no-maglev'];
  const child = spawn(process.execPath, [...flags, '--input-type=module', '-e', program(isBusy)], {
    cwd: import.meta.dirname,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  let seen = 0;
  for await (const line of readline.createInterface({ input: child.stdout })) {
    if ((Number(line) & OPTIMIZED) !== 0) return true;
    if (++seen === looks) return false;
  }
  throw new Error('the program ended');
}

it('a supervised process begins to optimize after its start, when it becomes busy', async () => {
  const [busy, idle] = await Promise.all([isOptimized(true, 200), isOptimized(false, 14)]);
  expect([busy, idle]).toEqual([true, false]);
}, 60_000);
