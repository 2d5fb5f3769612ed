// Memory of a process and everything it started.
import fs from 'node:fs';

/** The processes that descend from one, and itself. */
function family(pid) {
  const parents = new Map();
  for (const name of fs.readdirSync('/proc'))
    if (/^\d+$/.test(name))
      try {
        parents.set(Number(name), Number(/^PPid:\s+(\d+)/m.exec(fs.readFileSync(`/proc/${name}/status`, 'utf8'))[1]));
      } catch {
        // It ended meanwhile.
      }
  const members = [pid];
  for (const member of members) for (const [child, parent] of parents) if (parent === member) members.push(child);
  return members;
}

/** Looks every 50 ms how much memory a process and its descendants have, pages that they share counted once. */
export function watchMemory(pid) {
  let peak = 0;
  const look = () => {
    let sum = 0;
    for (const member of family(pid))
      try {
        sum += Number(/^Pss:\s+(\d+)/m.exec(fs.readFileSync(`/proc/${member}/smaps_rollup`, 'utf8'))[1]) * 1024;
      } catch {
        // It ended meanwhile.
      }
    peak = Math.max(peak, sum);
  };
  const timer = setInterval(look, 50);
  /** @returns bytes at the peak */
  return () => {
    clearInterval(timer);
    return peak;
  };
}
