/** Figures from /proc about a process and its descendants, and lines fitted to them. Linux only. */
import fs from 'node:fs';

const countIn = (folder) => {
  try {
    return fs.readdirSync(folder).length;
  } catch {
    return 0; // it has ended in the meantime
  }
};

/**
 * A process and all its descendants.
 * @returns {{ pid: number, parent: number, cpu: number, rss: number, threads: number, fds: number, what: string }[]}
 * CPU time in seconds, including ended children, and resident memory in MB
 */
export function processesOf(top) {
  const all = fs.readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const text = fs.readFileSync(`/proc/${name}/stat`, 'utf8');
      const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
      const ticks = [11, 12, 13, 14].reduce((sum, index) => sum + Number(fields[index]), 0);
      return [
        {
          pid: Number(name),
          parent: Number(fields[1]),
          cpu: ticks / 100,
          threads: Number(fields[17]),
          rss: (Number(fields[21]) * 4096) / 1e6,
        },
      ];
    } catch {
      return []; // it has ended in the meantime
    }
  });
  const found = all.filter(({ pid }) => pid === top);
  for (const { pid } of found) found.push(...all.filter(({ parent }) => parent === pid));
  return found.map((entry) => ({ ...entry, what: commandOf(entry.pid), fds: countIn(`/proc/${entry.pid}/fd`) }));
}

function commandOf(pid) {
  try {
    return fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').replace(/\0+/g, ' ').trim();
  } catch {
    return '';
  }
}

/** Least-squares slope. @param {[number, number][]} points milliseconds and values @returns growth per hour */
export function slopePerHour(points) {
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [x, y] = [mean(points.map(([at]) => at)), mean(points.map(([, value]) => value))];
  const spread = points.reduce((sum, [at]) => sum + (at - x) ** 2, 0);
  return spread === 0 ? 0 : (points.reduce((sum, [at, value]) => sum + (at - x) * (value - y), 0) / spread) * 3_600_000;
}
