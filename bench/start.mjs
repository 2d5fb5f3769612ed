// Measures how long a second start takes until the platform is ready, with everything installed and built, in the way
// of `npm start` and alternating with bare Node; and how much memory all idle processes use. With --check, the exit
// code is 1 if a promise is not kept. Needs no build: the bootstrap makes it.
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import readline from 'node:readline';
import { median } from './lib/measure.mjs';
import { processesOf } from './lib/processes.mjs';

const ROUNDS = 3;
/** Maximum ratio of the time until ready to the time of bare Node. */
const MAX_RATIO = 45;
/** Maximum resident memory in megabytes, summed over all processes, with one worker. */
const MAX_MEMORY_MB = 547;
/** Seconds after which the activity of the start is over: task processes end after 30 s without a job. */
const IDLE_AFTER = 45;
const root = path.resolve(import.meta.dirname, '..');
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'cl-bench-start-'));

const freePort = () =>
  new Promise((resolve) => {
    const server = net.createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });

const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);

/** Seconds that a bare `node -e 0` takes. */
function bareNode() {
  const began = performance.now();
  spawnSync(process.execPath, ['-e', '0']);
  return (performance.now() - began) / 1000;
}

/**
 * Starts the platform, waits for its ready line and stops it.
 * @param whenReady receives the process id
 * @returns wall-clock and CPU seconds until ready, and seconds from Ctrl-C to the end
 */
async function once(whenReady = async () => {}) {
  const services = ['auth', 'store', 'compute'].flatMap((name) => [`--${name}-port`, '0']);
  const broker = ['--mqtt-port', String(await freePort()), '--mqtt-ws-port', '0', '--workers', '1'];
  const args = ['scripts/bootstrap.js', 'start', '--data-dir', folder, ...services, ...broker];
  const began = performance.now();
  const seconds = () => (performance.now() - began) / 1000;
  const platform = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise((resolve) => platform.on('close', resolve));
  const lines = readline.createInterface({ input: platform.stdout });
  const ready = new Promise((resolve, reject) => {
    lines.on('line', (line) => line.startsWith('ready ') && resolve(seconds()));
    platform.on('close', (code) => reject(new Error(`it ended with ${code}`)));
  });
  try {
    const untilReady = await ready;
    const cpu = process.platform === 'linux' ? sum(processesOf(platform.pid).map(({ cpu: used }) => used)) : undefined;
    await whenReady(platform.pid);
    const stopping = performance.now();
    platform.kill('SIGINT');
    await ended;
    return { untilReady, cpu, untilStopped: (performance.now() - stopping) / 1000 };
  } finally {
    platform.kill('SIGTERM');
  }
}

try {
  const first = await once();
  console.log(`first start: ready after ${first.untilReady.toFixed(1)} s (databases and keys are created)`);
  const rounds = [];
  const bare = [];
  for (let i = 0; i < ROUNDS; i++) {
    bare.push(bareNode(), bareNode(), bareNode());
    rounds.push(await once());
  }
  const ready = rounds.map(({ untilReady }) => untilReady);
  const ratio = median(ready) / median(bare);
  const held = ratio <= MAX_RATIO;
  console.log(`later ones:  ready after ${ready.map((s) => s.toFixed(1)).join(', ')} s`);
  if (rounds[0].cpu !== undefined)
    console.log(`             CPU time of all processes ${rounds.map(({ cpu }) => cpu.toFixed(1)).join(', ')} s`);
  console.log(`             stopped after ${rounds.map((r) => r.untilStopped.toFixed(1)).join(', ')} s`);
  console.log(
    `ratio:       ${ratio.toFixed(0)} × bare node (${(median(bare) * 1000).toFixed(0)} ms), promised at most ${MAX_RATIO}: ${held ? 'held' : 'MISSED'}`,
  );
  let small = true;
  if (process.platform === 'linux') {
    await once(async (pid) => {
      await new Promise((resolve) => setTimeout(resolve, IDLE_AFTER * 1000));
      const processes = processesOf(pid);
      for (const { rss, what } of processes) console.log(`  ${rss.toFixed(0).padStart(5)} MB  ${what.slice(-70)}`);
      const total = sum(processes.map(({ rss }) => rss));
      small = total <= MAX_MEMORY_MB;
      console.log(
        `idle memory: ${total.toFixed(0)} MB resident, ${processes.length} processes, promised at most ${MAX_MEMORY_MB}: ${small ? 'held' : 'MISSED'}`,
      );
    });
  } else console.log('idle memory: not measured, because only Linux has /proc');
  if (process.argv.includes('--check') && !(held && small)) process.exitCode = 1;
} finally {
  fs.rmSync(folder, { recursive: true, force: true });
}
