// Memory of a process and all processes that it started.
import fs from 'node:fs';

/** The process and all its descendants. */
function family(pid) {
  const parents = new Map();
  for (const name of fs.readdirSync('/proc'))
    if (/^\d+$/.test(name))
      try {
        parents.set(Number(name), Number(/^PPid:\s+(\d+)/m.exec(fs.readFileSync(`/proc/${name}/status`, 'utf8'))[1]));
      } catch {
        // It has ended in the meantime.
      }
  const members = [pid];
  for (const member of members) for (const [child, parent] of parents) if (parent === member) members.push(child);
  return members;
}

/** Measures the memory of a process and its descendants every 50 ms; shared pages count once. */
export function watchMemory(pid) {
  let peak = 0;
  const look = () => {
    let sum = 0;
    for (const member of family(pid))
      try {
        sum += Number(/^Pss:\s+(\d+)/m.exec(fs.readFileSync(`/proc/${member}/smaps_rollup`, 'utf8'))[1]) * 1024;
      } catch {
        // It has ended in the meantime.
      }
    peak = Math.max(peak, sum);
  };
  const timer = setInterval(look, 50);
  /** @returns the maximum in bytes */
  return () => {
    clearInterval(timer);
    return peak;
  };
}
