import { newJobId } from '@cl-server/jobs';
import { eventually } from '@cl-server/testing';
import { it } from 'vitest';
import { testPlatform } from '../support/platform.js';

it('x', async () => {
  const n = Number(process.env['N'] ?? 5000);
  const p = await testPlatform({ plugins: ['noop'] });
  try {
    const t0 = performance.now();
    const ws = Array.from({ length: Number(process.env['W'] ?? 4) }).map(() =>
      p.start({
        args: ['--concurrency', process.env['CC'] ?? '2'],
        env: process.env['PROF'] ? { NODE_OPTIONS: '--import /tmp/w5-pre.mjs' } : {},
      }),
    );
    await Promise.all(ws.map((w) => w.ready));
    console.log('ready', performance.now() - t0);
    for (let d = 0; d < n; d += 500)
      await p.jobs.repository.addJobs(
        Array.from({ length: 500 }, () => ({ job_id: newJobId(), task_type: 'noop', params: {}, max_retries: 10 })),
      );
    const t1 = performance.now();
    await eventually(
      async () => {
        const c = await p.jobs.repository.counts();
        return c.queued + c.processing === 0;
      },
      { within: 200000, every: 100 },
    );
    const { readFileSync } = await import('node:fs');
    const cpu = (pid: number) => {
      const f = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
      return [Number(f[11]) * 10, Number(f[12]) * 10];
    };
    for (const w of ws) {
      const kids = readFileSync(`/proc/${w.pid}/task/${w.pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
      console.log('cpu ms user/sys worker', cpu(w.pid), 'runners', kids.map(cpu));
    }
    console.log('cpu self', process.cpuUsage());
    console.log('rate', n / ((performance.now() - t1) / 1000), await p.jobs.repository.counts());
    if (process.env['PROF']) {
      for (const w of ws) w.child.kill('SIGTERM');
      await Promise.all(ws.map((w) => w.exited));
    }
  } finally {
    await p.close();
  }
}, 300000);
