import { promises as fsp } from 'node:fs';
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
}

const isWeb = (text: string): boolean => /^https?:\/\//i.test(text);
const hasWildcard = (text: string): boolean => /[*?[\]{}]/.test(text);

/** Yields the files of a folder and its subfolders, without hidden files and links that lead out of it. */
async function* walk(folder: string, root: string): AsyncGenerator<InputFile> {
  const entries = await fsp.readdir(folder, { withFileTypes: true });
  entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const entry of entries) {
    if (entry.name.startsWith('.')) continue;
    const file = path.join(folder, entry.name);
    if (entry.isDirectory()) yield* walk(file, root);
    else if (entry.isFile()) yield { source: file, name: path.relative(root, file).split(path.sep).join('/') };
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
  for await (const file of walk(root, root)) {
    const spelled = file.source.split(path.sep).join('/');
    if (wanted.test(pattern.startsWith('./') ? `./${spelled}` : spelled)) found.push(file);
  }
  return found;
}

export interface ExpandOptions {
  /** Whether folders stand for all files in them. */
  readonly recursive?: boolean;
  /** Whether folders stand only for files that look like a photo, a video or audio. */
  readonly mediaOnly?: boolean;
}

/**
 * Expands arguments to files. An argument may be a path, a URL, a wildcard, a folder, or `-` for a list on standard input
 * that is separated by newlines or NUL.
 * @throws CliError if a file does not exist
 */
export async function expandInputs(
  args: readonly string[],
  stdin: NodeJS.ReadableStream,
  { recursive = true, mediaOnly = true }: ExpandOptions = {},
): Promise<InputFile[]> {
  const files: InputFile[] = [];
  for (const arg of args) {
    if (arg === '-') {
      const text = await readAll(stdin);
      const lines = text.split(text.includes('\0') ? '\0' : /\r?\n/).filter((line) => line.trim() !== '');
      files.push(...(await expandInputs(lines, stdin, { recursive, mediaOnly })));
      continue;
    }
    if (isWeb(arg)) {
      files.push({ source: arg, name: path.posix.basename(new URL(arg).pathname) || 'file' });
      continue;
    }
    const stat = await fsp.stat(arg).catch(() => undefined);
    if (stat?.isFile()) files.push({ source: arg, name: path.basename(arg) });
    else if (stat?.isDirectory()) {
      if (!recursive)
        throw new CliError(`${arg} is a folder`, EXIT.usage, 'Use --recursive to include all files in it');
      for await (const file of walk(arg, arg)) if (!mediaOnly || isMediaName(file.name)) files.push(file);
    } else {
      const found = hasWildcard(arg) ? await expandGlob(arg) : [];
      if (found.length === 0) throw new CliError(`${arg}: no such file`, EXIT.badInput);
      files.push(...found);
    }
  }
  return files;
}
