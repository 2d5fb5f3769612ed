/** How exiftool is started, for whatever it is to do. */
import { MediaError } from '../errors.js';
import { limitedCommand } from '../process/limits.js';
import { run } from '../process/run.js';

/** Address space of the process, bytes: a decompression bomb in a text chunk ends it, not the machine. */
const MEMORY = 1024 * 1024 * 1024;
export const NOT_INSTALLED =
  'ExifTool is not installed or not found in PATH. Please install ExifTool: https://exiftool.org/';

/** The package is loaded when it is needed: its 84 files take 5 MB in each process that holds them. */
async function packagedTool(): Promise<string> {
  const { exiftoolPath } = await import('exiftool-vendored');
  return exiftoolPath();
}

/** Program and arguments of exiftool; the packaged one is a perl script. */
export async function exiftoolCommand(tool: string | undefined): Promise<readonly string[]> {
  // -config '' first: no configuration file of the machine's user is run.
  const command = tool === undefined ? ['perl', await packagedTool(), '-config', ''] : [tool, '-config', ''];
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
