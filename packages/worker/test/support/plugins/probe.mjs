/** Does what its job says, for tests of what a worker does then. */
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

const actions = {
  ok: async () => undefined,
  /** Runs until it is stopped. */
  wait: async ({ signal, params }) => {
    await pause(Number(params.ms ?? 600_000), undefined, { signal });
  },
  /** Deaf to everything. */
  block: async ({ params }) => {
    const end = Date.now() + Number(params.ms ?? 600_000);
    while (Date.now() < end);
  },
  crash: async () => process.kill(process.pid, 'SIGSEGV'),
  crash_once: async ({ attempt }) => {
    if (attempt === 1) process.kill(process.pid, 'SIGSEGV');
  },
  reject_later: async () => {
    void Promise.reject(new Error('nobody listens'));
    await pause(600_000);
  },
  memory: async () => {
    const held = [];
    for (;;) held.push(new Array(100_000).fill({}));
  },
  tool: async ({ signal, params }) => {
    const child = spawn('sleep', ['600']);
    fs.writeFileSync(params.note, String(child.pid));
    await pause(600_000, undefined, { signal });
  },
  fail: async ({ files }) => {
    await files.write('output/half.txt', 'half a result');
    throw new Error(`cannot read ${files.input ?? '/some/where/secret.jpg'}: bad thing`);
  },
  wrong_output: async () => ({ attempt: 'not a number' }),
  progress: async ({ progress }) => {
    for (let percent = 0; percent <= 100; percent += 10) {
      progress(percent);
      await pause(60);
    }
  },
  print: async ({ logger }) => {
    process.stdout.write('printed by a library\n');
    logger.info({ detail: 7 }, 'said by the task');
    await pause(50);
  },
};

export default ({ defineTask, field, z, TaskError }) =>
  defineTask({
    type: 'probe',
    version: '1',
    summary: 'Behaves as its fields say',
    file: 'optional',
    params: z.object({ action: field.text(), ms: field.int().optional(), note: field.text().optional() }),
    output: z.object({ attempt: z.int(), scratch: z.string(), pid: z.int() }),
    load: async () => ({
      run: async (ctx) => {
        fs.writeFileSync(path.join(ctx.scratch, 'draft'), 'x');
        if (ctx.params.action === 'refuse') throw new TaskError('invalid_input', 'The file is not what it should be');
        await ctx.files.write('output/result.txt', `by attempt ${ctx.attempt}`);
        const given = await actions[ctx.params.action](ctx);
        await ctx.files.write('output/late.txt', `by attempt ${ctx.attempt}`);
        return given ?? { attempt: ctx.attempt, scratch: ctx.scratch, pid: process.pid };
      },
    }),
  });
