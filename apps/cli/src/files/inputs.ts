import { type Dirent, promises as fsp } from 'node:fs';
import path from 'node:path';
import { isMediaName } from '@cl-server/client/media-type';
import { CliError, EXIT } from '../exit-codes.js';
import { readAll } from '../io/prompt.js';

/** A file on disk or on the web that a command works on. */
export interface InputFile {
  /** A path or URL. */
  readonly source: string;
  /** The path within the folder that was named, with `/`; otherwise the base name. */
  readonly name: string;
  /** The names of the folders that contain the file, from the folder that was named; empty for a file that was named itself. */
  readonly folders: readonly string[];
}

/** The reasons why a file or folder within a named folder is left out. */
export type SkipReason = 'hidden' | 'link' | 'special' | 'not media';

/** Receives what a folder contains besides its files. */
export interface FolderWatch {
  readonly onSkip?: ((reason: SkipReason, file: string) => void) | undefined;
  /** Receives a folder that cannot be read, or a file that does not exist. Default: the error is thrown. */
  readonly onUnreadable?: ((name: string, error: Error) => void) | undefined;
}

const isWeb = (text: string): boolean => /^https?:\/\//i.test(text);
const hasWildcard = (text: string): boolean => /[*?[\]{}]/.test(text);

interface Folder {
  readonly path: string;
  /** The folder that was named; names of files are relative to it. */
  readonly root: string;
  readonly names: readonly string[];
}

/** Yields the files of a folder and its subfolders, without hidden files and links that lead out of it. */
async function* walk(folder: Folder, watch: FolderWatch): AsyncGenerator<InputFile> {
  let entries: Dirent[] = [];
  try {
    entries = await fsp.readdir(folder.path, { withFileTypes: true });
  } catch (error) {
    if (!watch.onUnreadable) throw error;
    watch.onUnreadable(folder.path, error as Error);
  }
  entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const entry of entries) {
    const file = path.join(folder.path, entry.name);
    if (entry.name.startsWith('.')) watch.onSkip?.('hidden', file);
    else if (entry.isDirectory())
      yield* walk({ path: file, root: folder.root, names: [...folder.names, entry.name] }, watch);
    else if (entry.isFile()) {
      const name = path.relative(folder.root, file).split(path.sep).join('/');
      yield { source: file, name, folders: folder.names };
    } else watch.onSkip?.(entry.isSymbolicLink() ? 'link' : 'special', file);
  }
}

/** Converts a path pattern to a regular expression: `*` and `?` stay within a folder, `**` does not. */
export function globPattern(pattern: string): RegExp {
  // eslint-disable-next-line regexp/no-super-linear-move -- the pattern is the caller's own, and short
  const source = pattern.replace(/\*\*\/|\*\*|\*|\?|\[[^\]]*\]|\{[^}]*\}|[.+^$()|\\]/g, (token) => {
    if (token === '**/') return '(?:.*/)?';
    if (token === '**') return '.*';
    if (token === '*') return '[^/]*';
    if (token === '?') return '[^/]';
    if (token.startsWith('[')) return token.replace(/^\[!/, '[^').replaceAll('\\', '\\\\');
    if (token.startsWith('{'))
      return `(?:${token
        .slice(1, -1)
        .split(',')
        .map((word) => word.replace(/[.*+?^$()|[\]\\]/g, '\\$&'))
        .join('|')})`;
    return `\\${token}`;
  });
  return new RegExp(`^${source}$`);
}

/** Yields the files that match a wildcard, for shells that do not expand it themselves. */
async function expandGlob(pattern: string): Promise<InputFile[]> {
  const parts = pattern.split('/');
  const fixed = parts.slice(0, parts.findIndex(hasWildcard)).join('/');
  const root = fixed === '' ? (pattern.startsWith('/') ? '/' : '.') : fixed;
  const wanted = globPattern(pattern);
  const found: InputFile[] = [];
  if (!(await fsp.stat(root).catch(() => undefined))?.isDirectory()) return found;
  for await (const file of walk({ path: root, root, names: [] }, {})) {
    const spelled = file.source.split(path.sep).join('/');
    if (wanted.test(pattern.startsWith('./') ? `./${spelled}` : spelled)) found.push(file);
  }
  return found;
}

export interface ExpandOptions extends FolderWatch {
  /** Whether folders stand only for files that look like a photo, a video or audio. Default: yes. */
  readonly mediaOnly?: boolean;
}

/** Parses a list of names that are separated by newlines or NUL. */
export const namesIn = (text: string): string[] =>
  text.split(text.includes('\0') ? '\0' : /\r?\n/).filter((line) => line.trim() !== '');

/**
 * Expands arguments to files. An argument may be a path, a URL, a wildcard, a folder (all files in it and in its subfolders), or
 * `-` for a list of these on standard input.
 * @throws CliError if a file does not exist
 */
export async function expandInputs(
  args: readonly string[],
  stdin: NodeJS.ReadableStream,
  options: ExpandOptions = {},
): Promise<InputFile[]> {
  const { mediaOnly = true, onSkip } = options;
  const files: InputFile[] = [];
  for (const arg of args) {
    if (arg === '-') {
      for (const file of await expandInputs(namesIn(await readAll(stdin)), stdin, options)) files.push(file);
      continue;
    }
    if (isWeb(arg)) {
      files.push({ source: arg, name: path.posix.basename(new URL(arg).pathname) || 'file', folders: [] });
      continue;
    }
    const stat = await fsp.stat(arg).catch(() => undefined);
    if (stat?.isFile()) files.push({ source: arg, name: path.basename(arg), folders: [] });
    else if (stat?.isDirectory()) {
      // The base name of `.` is the name of the folder that it stands for; the root of a disk has none.
      const names = [path.basename(path.resolve(arg))].filter(Boolean);
      for await (const file of walk({ path: arg, root: arg, names }, options))
        if (!mediaOnly || isMediaName(file.name)) files.push(file);
        else onSkip?.('not media', file.source);
    } else {
      const found = hasWildcard(arg) ? await expandGlob(arg) : [];
      for (const file of found) files.push(file);
      if (found.length > 0) continue;
      if (!options.onUnreadable) throw new CliError(`${arg}: no such file`, EXIT.badInput);
      options.onUnreadable(arg, new Error('no such file'));
    }
  }
  return files;
}
