/** How exiftool is started, for whatever it is to do. */
import { createRequire } from 'node:module';
import { MediaError } from '../errors.js';
import { limitedCommand } from '../process/limits.js';
import { run } from '../process/run.js';

/** Address space of the process, bytes: a decompression bomb in a text chunk ends it, not the machine. */
const MEMORY = 1024 * 1024 * 1024;
export const NOT_INSTALLED =
  'ExifTool is not installed or not found in PATH. Please install ExifTool: https://exiftool.org/';

/**
 * The packaged script, whose package says its path. `exiftool-vendored` says it, too, but to load that takes 0.07 s and 5 MB.
 * @throws MediaError where it was left out of the installation
 */
function packagedTool(): string {
  try {
    const { resolve } = createRequire(import.meta.url);
    return String(createRequire(resolve('exiftool-vendored'))('exiftool-vendored.pl'));
  } catch (cause) {
    throw new MediaError('tool_missing', NOT_INSTALLED, { cause });
  }
}

/** Program and arguments of exiftool; the packaged one is a perl script. */
export async function exiftoolCommand(tool: string | undefined): Promise<readonly string[]> {
  // -config '' first: no configuration file of the machine's user is run.
  const command = tool === undefined ? ['perl', packagedTool(), '-config', ''] : [tool, '-config', ''];
  return limitedCommand(command, { addressSpace: MEMORY });
}

/** @throws MediaError where exiftool or perl is not there */
export async function askVersion(tool: string | undefined): Promise<string> {
  const missing = (cause?: unknown): MediaError => new MediaError('tool_missing', NOT_INSTALLED, { cause });
  const [program = '', ...args] = await exiftoolCommand(tool);
  const { code, stdout, stderr } = await run(program, [...args, '-ver'], { timeout: 15_000 }).catch(
    (cause: unknown) => {
      throw missing(cause);
    },
  );
  if (code !== 0) throw missing(new Error(stderr));
  return stdout.toString('utf8').trim();
}

/** Asks once, and again where that failed: batch-cluster would try for ever to start a program that is not there. */
export function versionOf(tool: string | undefined): () => Promise<string> {
  let version: Promise<string> | undefined;
  return () => {
    version ??= askVersion(tool).catch((error: unknown) => {
      version = undefined;
      throw error;
    });
    return version;
  };
}
