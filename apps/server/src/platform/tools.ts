import fs from 'node:fs';
import path from 'node:path';
import { StartupError } from '@cl-server/runtime/program';

export interface Tool {
  readonly name: string;
  /** Variable that names the program's file. */
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

function isProgram(file: string): boolean {
  try {
    fs.accessSync(file, fs.constants.X_OK);
    return fs.statSync(file).isFile();
  } catch {
    return false;
  }
}

/** The file of a tool, or undefined. A path that is set counts alone, found or not. */
export function findTool({ name, env: variable }: Tool, env: Environment): string | undefined {
  const set = variable && env[variable];
  if (set) return isProgram(set) ? set : undefined;
  return (env['PATH'] ?? '')
    .split(path.delimiter)
    .filter((folder) => folder !== '')
    .map((folder) => path.join(folder, name))
    .find(isProgram);
}

/** What a person does about a missing tool. */
export function howToGet({ env: variable, debianPackage }: Tool, env: Environment): string {
  if (variable && env[variable])
    return `${variable} names ${env[variable]}, which is not a program: correct or unset it`;
  return `install it ("sudo apt-get install ${debianPackage}", or "brew install ${debianPackage}")${variable ? `, or name it with ${variable}` : ''}`;
}

/** @throws StartupError with one line per missing tool */
export function requireTools(env: Environment): void {
  const missing = TOOLS.filter((tool) => findTool(tool, env) === undefined);
  if (missing.length === 0) return;
  throw new StartupError(
    missing
      .map((tool) => `cl-server: ${tool.name} is missing, needed for ${tool.purpose}: ${howToGet(tool, env)}`)
      .join('\n'),
  );
}
