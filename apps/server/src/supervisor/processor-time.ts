import fs from 'node:fs';

/**
 * The processor time that a process has used, in ticks; 0 if the system does not report it. Only Linux does, by proc_pid_stat(5):
 * fields 14 and 15, after the name in brackets, which may contain anything.
 */
export function processorTime(pid: number | undefined): number {
  if (pid === undefined || process.platform !== 'linux') return 0;
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return Number(fields[11]) + Number(fields[12]);
  } catch {
    return 0; // the process has just ended
  }
}
