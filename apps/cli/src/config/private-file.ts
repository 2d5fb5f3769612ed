import { randomUUID } from 'node:crypto';
import { promises as fsp } from 'node:fs';
import path from 'node:path';
import { CliError, EXIT } from '../exit-codes.js';

/** Reads a JSON object; undefined if there is no file. */
export async function readJson<T>(file: string): Promise<T | undefined> {
  let text: string;
  try {
    text = await fsp.readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new CliError(`${file} cannot be read: ${(error as Error).message}`, EXIT.usage);
  }
  try {
    return JSON.parse(text) as T;
  } catch {
    throw new CliError(`${file} is damaged: it is not valid JSON`, EXIT.usage, 'Correct it, or delete it');
  }
}

/** Writes a JSON object atomically to a file that only its owner can read. */
export async function writeJson(file: string, value: unknown): Promise<void> {
  await fsp.mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
  const part = `${file}.${randomUUID()}`;
  await fsp.writeFile(part, `${JSON.stringify(value, null, 2)}\n`, { mode: 0o600, flag: 'wx' });
  await fsp.rename(part, file);
}
