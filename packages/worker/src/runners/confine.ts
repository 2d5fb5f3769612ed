/**
 * Restricts tasks to their own folders if the kernel allows it: user, mount and network namespaces. Of the
 * data folder a runner then sees the folders that tasks work in; keys, databases, settings and sockets are not there, nor
 * is any network, nor the memory and the environment of processes outside.
 *
 * Two programs of util-linux make the namespaces and take the means to undo them away; the runner keeps its process id, its
 * channel and its group. It starts some 30 ms later.
 */
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import type { Logger } from '@cl-server/service-kit';

const run = promisify(execFile);

const UNSHARE = '/usr/bin/unshare';
const SETPRIV = '/usr/bin/setpriv';
const SHELL = '/bin/sh';
const PROBE_WITHIN = 10_000;
/** A shell names its descriptors by one digit, and 3 is the channel to the engine. */
const FIRST_DESCRIPTOR = 4;
const MOST_FOLDERS = 6;

export interface ConfineOptions {
  /** Absolute; hidden but for `folders`. */
  readonly dataDir: string;
  /** Folders that tasks work in, absolute; those that lie in the data folder are made and shown. At most six. */
  readonly folders: readonly string[];
  /** Whether every task may use the network, and not only those of the platform that fetch models. */
  readonly network: boolean;
  /** Files that a runner must be able to read: its program, and the tasks. */
  readonly files: readonly string[];
  readonly logger: Logger;
}

/** The program that a runner is started through, and what comes before the runner's own arguments. */
export interface RunnerCommand {
  readonly execPath: string;
  readonly execArgv: readonly string[];
}

export interface Confinement {
  /** @param nodeArguments for Node itself @param network whether the runner may use the network */
  command(nodeArguments: readonly string[], network: boolean): RunnerCommand;
}

/** For systems without the means, and where the owner wants it so. */
export const UNCONFINED: Confinement = {
  command: (nodeArguments) => ({ execPath: process.execPath, execArgv: nodeArguments }),
};

/** `$1` is the data folder, `$2` and on the folders that are shown, then the command. */
function hidingScript(shown: number): string {
  const each = Array.from({ length: shown }, (_, n) => ({ fd: FIRST_DESCRIPTOR + n, folder: `"$${n + 2}"` }));
  return [
    'set -e',
    // Held open while the folder above them is covered.
    ...each.map(({ fd, folder }) => `exec ${fd}<${folder}`),
    'mount -t tmpfs -o size=1m,mode=0755 tmpfs "$1"',
    ...each.map(({ fd, folder }) => `mkdir -p ${folder}; mount -c --bind /proc/self/fd/${fd} ${folder}`),
    ...each.map(({ fd }) => `exec ${fd}<&-`),
    `shift ${shown + 1}`,
    // Without capabilities nothing that was covered can be uncovered.
    `exec ${SETPRIV} --bounding-set=-all --inh-caps=-all --no-new-privs -- "$@"`,
  ].join('\n');
}

const within = (folder: string, file: string): boolean => file.startsWith(folder + path.sep);

class Namespaces implements Confinement {
  constructor(
    private readonly dataDir: string,
    private readonly shown: readonly string[],
    private readonly network: boolean,
  ) {}

  /** Arguments of `unshare`, before a command. */
  arguments(network: boolean): string[] {
    const kinds = ['--user', '--map-root-user', '--mount', ...(network || this.network ? [] : ['--net'])];
    const script = hidingScript(this.shown.length);
    return [...kinds, '--', SHELL, '-c', script, 'confine', this.dataDir, ...this.shown];
  }

  command(nodeArguments: readonly string[], network: boolean): RunnerCommand {
    return { execPath: UNSHARE, execArgv: [...this.arguments(network), process.execPath, ...nodeArguments] };
  }
}

/** Tries it once: where it does not work, or would hide what a runner needs, tasks run as before, which the log says. */
export async function findConfinement(options: ConfineOptions): Promise<Confinement> {
  const { dataDir, folders, network, files, logger } = options;
  const shown = folders.filter((folder) => within(dataDir, folder)).slice(0, MOST_FOLDERS);
  const namespaces = new Namespaces(dataDir, shown, network);
  const readable = 'for file; do test -r "$file" || exit 1; done';
  try {
    if (process.platform !== 'linux') throw new Error('this system has no namespaces');
    // One that is made later would not be seen by runners that are there.
    for (const folder of shown) fs.mkdirSync(folder, { recursive: true, mode: 0o750 });
    const probe = [...namespaces.arguments(false), SHELL, '-c', readable, 'probe', ...files, ...shown];
    await run(UNSHARE, probe, { timeout: PROBE_WITHIN });
    return namespaces;
  } catch (error) {
    const reason = error instanceof Error ? (error.message.split('\n').at(-1) ?? '') : String(error);
    logger.warn({ reason }, 'tasks are not confined here: they can read what this user can read, and use the network');
    return UNCONFINED;
  }
}
