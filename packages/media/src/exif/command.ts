/** How exiftool is started for all purposes. */
import { createRequire } from 'node:module';
import { MediaError } from '../errors.js';
import { limitedCommand } from '../process/limits.js';
import { run } from '../process/run.js';

/** Bytes of address space of the process: a decompression bomb in a text chunk ends this process, not the machine. */
const MAX_ADDRESS_SPACE = 1024 * 1024 * 1024;
export const NOT_INSTALLED =
  'ExifTool is not installed or not found in PATH. Please install ExifTool: https://exiftool.org/';

/**
 * Path of the packaged script, from its own package. `exiftool-vendored` knows it, too, but loading that takes 0.07 s and
 * 5 MB.
 * @throws MediaError if the installation does not contain it
 */
function packagedTool(): string {
  try {
    const { resolve } = createRequire(import.meta.url);
    return String(createRequire(resolve('exiftool-vendored'))('exiftool-vendored.pl'));
  } catch (cause) {
    throw new MediaError('tool_missing', NOT_INSTALLED, { cause });
  }
}

/** Program and arguments that start exiftool; the packaged exiftool is a perl script. */
export async function exiftoolCommand(tool: string | undefined): Promise<readonly string[]> {
  // `-config ''` comes first, so that no configuration file of the user is run.
  const command = tool === undefined ? ['perl', packagedTool(), '-config', ''] : [tool, '-config', ''];
  return limitedCommand(command, { addressSpace: MAX_ADDRESS_SPACE });
}

/** @throws MediaError if exiftool or perl is missing */
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

/** Reads the version once, and again after a failure: batch-cluster would try forever to start a missing program. */
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
