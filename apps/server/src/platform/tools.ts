import { findProgram } from '@cl-server/kit';
import { StartupError } from '@cl-server/service-kit/program';

export interface Tool {
  readonly name: string;
  /** The variable that names the file of the program. */
  readonly env?: string;
  readonly debianPackage: string;
  readonly purpose: string;
}

export const TOOLS: readonly Tool[] = [
  { name: 'ffmpeg', env: 'FFMPEG_PATH', debianPackage: 'ffmpeg', purpose: 'videos' },
  { name: 'ffprobe', env: 'FFPROBE_PATH', debianPackage: 'ffmpeg', purpose: 'videos' },
  { name: 'perl', debianPackage: 'perl', purpose: 'metadata (runs ExifTool)' },
];

export type Environment = Readonly<Record<string, string | undefined>>;

/** The file of a tool, or undefined. If its variable is set, only that path counts, whether it exists or not. */
export const findTool = ({ name, env: variable }: Tool, env: Environment): string | undefined =>
  findProgram(name, (variable && env[variable]) || undefined, env['PATH']);

/** The advice about a missing tool. */
export function howToGet({ env: variable, debianPackage }: Tool, env: Environment): string {
  if (variable && env[variable])
    return `${variable} names ${env[variable]}, which is not a program: correct it or unset it`;
  return `install it ("sudo apt-get install ${debianPackage}", or "brew install ${debianPackage}")${variable ? `, or set ${variable} to its path` : ''}`;
}

/** @throws StartupError with one line per missing tool */
export function requireTools(env: Environment): void {
  const missing = TOOLS.filter((tool) => findTool(tool, env) === undefined);
  if (missing.length === 0) return;
  throw new StartupError(
    missing
      .map((tool) => `cl-server: ${tool.name} is missing; it is needed for ${tool.purpose}: ${howToGet(tool, env)}`)
      .join('\n'),
  );
}
