/** Helpers of the benchmarks: medians of ratios, child servers, load, and a table with the promised values. */
import { fork } from 'node:child_process';
import autocannon from 'autocannon';

export const median = (numbers) => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)];

/** Forks a server that reports by IPC when it is ready. @returns its info and `stop` */
export async function forkServer(file, args = [], env = {}) {
  const child = fork(file, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  const gone = new Promise((resolve) => child.on('exit', resolve));
  const info = await new Promise((resolve, reject) => {
    child.on('message', (message) => message?.type === 'ready' && resolve(message.info));
    child.on('exit', (code) => reject(new Error(`${file} ended with ${code}`)));
  });
  const stop = async () => {
    child.send({ type: 'drain' });
    await gone;
  };
  return { ...info, pid: child.pid, stop };
}

/** Requests per second if all are answered with 2xx; otherwise an error. */
export async function load(url, { seconds = 3, connections = 16, headers = {} } = {}) {
  const result = await autocannon({ url, duration: seconds, connections, headers });
  if (result.non2xx > 0 || result.errors > 0)
    throw new Error(`${url}: ${result.non2xx} answers were not 2xx, ${result.errors} failed`);
  return result.requests.average;
}

/**
 * Measures each ratio in a few rounds of one process, so that other load on the machine affects both halves; the median
 * counts.
 * @param rows `{name, atLeast?, round}`; `round` returns `[ours, theirs]` in the same unit, higher is better
 * @returns whether all promises are kept
 */
export async function ratios(rows, { rounds = 3, unit = '/s' } = {}) {
  let held = true;
  const table = [];
  for (const { name, atLeast, round } of rows) {
    const measured = [];
    for (let i = 0; i < rounds; i++) measured.push(await round());
    const ratio = median(measured.map(([ours, theirs]) => ours / theirs));
    const kept = atLeast === undefined || ratio >= atLeast;
    held &&= kept;
    table.push({
      what: name,
      [`ours ${unit}`]: Math.round(median(measured.map(([ours]) => ours))),
      [`beside ${unit}`]: Math.round(median(measured.map(([, theirs]) => theirs))),
      ratio: Number(ratio.toFixed(2)),
      promised: atLeast === undefined ? '' : `>= ${atLeast}`,
      holds: atLeast === undefined ? '' : kept ? 'yes' : 'NO',
    });
  }
  console.table(table);
  return held;
}
