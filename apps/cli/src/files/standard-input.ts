/** Saves the bytes of standard input in a temporary file, because an upload needs them twice: for the digest and to send them. */
import { createWriteStream, promises as fsp } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { CliError, EXIT } from '../exit-codes.js';

/** The bytes at the beginning of a file that tell its kind, in Latin-1, each with the usual extension. */
const SIGNATURES: readonly (readonly [RegExp, string])[] = [
  [/^\xff\xd8\xff/, 'jpg'],
  [/^\x89PNG/, 'png'],
  [/^GIF8/, 'gif'],
  [/^RIFF[\s\S]{4}WEBP/, 'webp'],
  [/^RIFF[\s\S]{4}AVI /, 'avi'],
  [/^RIFF[\s\S]{4}WAVE/, 'wav'],
  [/^[\s\S]{4}ftyp(heic|heix|mif1)/, 'heic'],
  [/^[\s\S]{4}ftypavif/, 'avif'],
  [/^[\s\S]{4}ftypqt/, 'mov'],
  [/^[\s\S]{4}ftyp/, 'mp4'],
  [/^.E\xdf\xa3/, 'mkv'],
  [/^(II\*|MM)/, 'tif'],
  [/^ID3/, 'mp3'],
  [/^fLaC/, 'flac'],
  [/^OggS/, 'ogg'],
  [/^%PDF/, 'pdf'],
];

/** Chooses a file name by the content. */
async function nameFor(file: string): Promise<string> {
  const handle = await fsp.open(file);
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(16), 0, 16, 0);
    const start = buffer.toString('latin1', 0, bytesRead);
    return `stdin.${SIGNATURES.find(([pattern]) => pattern.test(start))?.[1] ?? 'bin'}`;
  } finally {
    await handle.close();
  }
}

export interface SavedInput extends AsyncDisposable {
  readonly path: string;
  readonly name: string;
}

/** @param name the file name; default: one that fits the content */
export async function saveStandardInput(
  stdin: NodeJS.ReadableStream & { readonly isTTY?: boolean },
  name: string | undefined,
  signal: AbortSignal,
): Promise<SavedInput> {
  if (stdin.isTTY)
    throw new CliError('Standard input is a terminal', EXIT.usage, 'Pipe the bytes of a file into this command');
  const folder = await fsp.mkdtemp(path.join(os.tmpdir(), 'cl-client-'));
  const remove = (): Promise<void> => fsp.rm(folder, { recursive: true, force: true });
  try {
    const file = path.join(folder, 'input');
    await pipeline(stdin, createWriteStream(file, { mode: 0o600 }), { signal });
    const given = name === undefined ? undefined : path.basename(name);
    return { path: file, name: given || (await nameFor(file)), [Symbol.asyncDispose]: remove };
  } catch (error) {
    await remove();
    throw error;
  }
}
