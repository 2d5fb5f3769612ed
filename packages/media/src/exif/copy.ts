/** Copies metadata from one image to another with exiftool. */
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { MediaError, safeReason } from '../errors.js';
import { run } from '../process/run.js';
import { askVersion, exiftoolCommand } from './command.js';

export interface CopyOptions {
  /** An exiftool to use instead of the packaged one. */
  readonly exiftool?: string | undefined;
  /** Returns a folder for temporary files; default: the system's. */
  readonly scratch?: (() => string) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds. */
  readonly timeout?: number;
}

/**
 * Tags that describe the picture except its pixels: the target has its own size and is upright. IFD1 is the preview of
 * a JPEG, and the second page of a TIFF.
 */
const COPIED_TAGS = ['-EXIF:All', '-XMP:All', '--Orientation', '--IFD1:All', '--ExifImageWidth', '--ExifImageHeight'];

/**
 * Copies EXIF and XMP from one image to another. If that fails, the target stays as it is.
 * @throws MediaError `tool_missing` without exiftool or perl, `task_failed` if it cannot write them, `timeout`,
 * `cancelled`
 */
export async function copyMetadata(source: string, target: string, options: CopyOptions = {}): Promise<void> {
  const { exiftool, scratch = os.tmpdir, signal, timeout = 60_000 } = options;
  const [program = '', ...start] = await exiftoolCommand(exiftool);
  const folder = await fs.mkdtemp(path.join(scratch(), 'metadata-'));
  try {
    // exiftool reads a % in the names of sources and results as a format code, so these files get our own names.
    await fs.symlink(source, path.join(folder, 'source'));
    const args = ['-q', '-m', '-n', '-TagsFromFile', 'source', ...COPIED_TAGS, '-Orientation=1', '-o', 'result'];
    const { stderr } = await run(program, [...start, ...args, target], { cwd: folder, signal, timeout });
    const written = await fs.stat(path.join(folder, 'result')).catch(() => undefined);
    if (!written || /Error opening|Error reading|format error/i.test(stderr)) {
      await askVersion(exiftool);
      throw new MediaError('task_failed', `ExifTool could not copy it: ${safeReason(stderr, [source, target])}`);
    }
    await fs.copyFile(path.join(folder, 'result'), target);
  } finally {
    await fs.rm(folder, { recursive: true, force: true });
  }
}
