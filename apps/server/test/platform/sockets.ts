/** Lists the sockets that the processes of a platform hold (proc(5)); Linux only. */
import fs from 'node:fs';

const TABLES = ['tcp', 'tcp6', 'udp', 'udp6'] as const;

/** The inodes of the sockets that a process holds. */
function socketsOf(pid: number): Set<string> {
  const inodes = new Set<string>();
  try {
    for (const fd of fs.readdirSync(`/proc/${pid}/fd`)) {
      const inode = /^socket:\[(\d+)\]$/.exec(fs.readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1];
      if (inode !== undefined) inodes.add(inode);
    }
  } catch {
    // The process, or the descriptor, has just ended.
  }
  return inodes;
}

/** Addresses are little-endian words in hexadecimal: 0100007F is 127.0.0.1; the last row is ::ffff:127.0.0.1. */
const isHere = (address: string): boolean =>
  /^0+$/.test(address) ||
  /^[0-9A-F]{6}7F$/.test(address) ||
  address === '00000000000000000000000001000000' ||
  /^0000000000000000FFFF0000[0-9A-F]{6}7F$/.test(address);

/** The sockets of these processes that have a peer outside of this machine, or use UDP, as name look-ups do. */
export function socketsToOutside(pids: Iterable<number>): string[] {
  const found: string[] = [];
  for (const pid of pids) {
    const own = socketsOf(pid);
    if (own.size === 0) continue;
    for (const table of TABLES) {
      const rows = fs.readFileSync(`/proc/net/${table}`, 'utf8').trim().split('\n').slice(1);
      for (const row of rows) {
        const [, local = '', remote = '', , , , , , , inode = ''] = row.trim().split(/\s+/);
        if (!own.has(inode)) continue;
        const [address = ''] = remote.split(':');
        if (table.startsWith('udp') || !isHere(address)) found.push(`process ${pid}: ${table} ${local} → ${remote}`);
      }
    }
  }
  return found;
}
