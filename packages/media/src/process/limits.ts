/** Limits that the kernel enforces on a program, if the system supports them. */
import fs from 'node:fs';

/**
 * The program ends with the process that started it, in whatever way that one ends; exiftool would wait on a closed
 * pipe forever.
 */
const SETPRIV = '/usr/bin/setpriv';
const PRLIMIT = '/usr/bin/prlimit';

export interface ProgramLimits {
  /** Bytes of address space. Not for programs that reserve much more than they use. */
  readonly addressSpace?: number;
  /** Bytes of writable memory. */
  readonly data?: number;
}

/** Bytes that this process may have at most: a program that asks for more than its parent has does not start. */
function ownLimit(name: 'Max data size' | 'Max address space'): number {
  try {
    const text = fs.readFileSync('/proc/self/limits', 'utf8');
    const line = text.split('\n').find((each) => each.startsWith(name)) ?? '';
    const hard = Number(line.slice(name.length).trim().split(/ +/)[1]);
    return Number.isNaN(hard) ? Number.POSITIVE_INFINITY : hard;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

/** The command that runs a command within limits; the command itself on systems without such limits. */
export function limitedCommand(
  command: readonly string[],
  { addressSpace, data }: ProgramLimits,
): readonly [string, ...string[]] {
  const limits = [
    ...(addressSpace === undefined ? [] : [`--as=${Math.min(addressSpace, ownLimit('Max address space'))}`]),
    ...(data === undefined ? [] : [`--data=${Math.min(data, ownLimit('Max data size'))}`]),
  ];
  const limited = limits.length > 0 && fs.existsSync(PRLIMIT) ? [PRLIMIT, ...limits, '--', ...command] : command;
  const [program = '', ...args] = fs.existsSync(SETPRIV) ? [SETPRIV, '--pdeathsig', 'KILL', ...limited] : limited;
  return [program, ...args];
}
