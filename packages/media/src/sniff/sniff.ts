/** Identifies the kind of a file by its content. */
import { closeSync, openSync, readSync } from 'node:fs';
import fs from 'node:fs/promises';
import { type FileTypeResult, fileTypeFromBuffer, fileTypeFromFile } from 'file-type';
import { kindOf, type MediaKind } from './kinds.js';
import { isQuickTime, movieBox, trackHandlers } from './quicktime.js';
import { directoryOfTiff, rawOfTiff } from './raw.js';
import { isUrl, sniffText } from './text.js';

/** Number of bytes that are read of a file: enough for nearly every header. */
const HEAD_SIZE = 64 * 1024;

/** Reads a file's first bytes, at most `most` of them. */
export async function readHead(file: string, most = HEAD_SIZE): Promise<Buffer> {
  const handle = await fs.open(file, 'r');
  try {
    const buffer = Buffer.alloc(most);
    let length = 0;
    while (length < most) {
      const { bytesRead } = await handle.read(buffer, length, most - length, length);
      if (bytesRead === 0) break;
      length += bytesRead;
    }
    return buffer.subarray(0, length);
  } finally {
    await handle.close();
  }
}

/**
 * The same for a task's own process, which has nothing else to do: three turns of the thread pool cost ten times as
 * much as the reading, and more when every core is busy.
 */
export function readHeadSync(file: string): Buffer {
  const handle = openSync(file, 'r');
  try {
    const buffer = Buffer.allocUnsafe(HEAD_SIZE);
    let length = 0;
    for (let read = -1; read !== 0 && length < HEAD_SIZE; length += read)
      read = readSync(handle, buffer, length, HEAD_SIZE - length, length);
    return buffer.subarray(0, length);
  } finally {
    closeSync(handle);
  }
}

/** Identifies a file by its content; its name has no influence. */
export const sniffFile = async (file: string): Promise<MediaKind> => sniffHead(await readHead(file), file);

/**
 * A TIFF's directory may be at its end, and a song's sound behind a large cover: then the marks in the rest of the file
 * decide.
 */
async function binaryType(head: Buffer, file: string | undefined): Promise<FileTypeResult | undefined> {
  const found = await fileTypeFromBuffer(head).catch(() => undefined);
  if (found || file === undefined || head.length < HEAD_SIZE) return found;
  return fileTypeFromFile(file).catch(() => undefined);
}

/**
 * An MP4 that contains only sound is a song, whatever its brand is; its `moov` box lists the handlers of its tracks.
 */
async function isSoundOnly(file: string): Promise<boolean> {
  const handle = await fs.open(file, 'r');
  try {
    const moov = await movieBox(handle);
    const handlers = moov ? trackHandlers(moov) : [];
    return handlers.includes('soun') && !handlers.includes('vide');
  } finally {
    await handle.close();
  }
}

const MOVIES: readonly string[] = ['video/mp4', 'video/quicktime', 'video/3gpp', 'video/3gpp2', 'video/x-m4v'];

/** Refines the result of the detector if that depends only on the first bytes. */
async function refined(found: FileTypeResult, head: Buffer, file: string | undefined): Promise<MediaKind> {
  if (found.mime === 'image/tiff') return kindOf(rawOfTiff(head) ?? found.mime, found.ext);
  const kind = kindOf(found.mime, found.ext);
  if (file === undefined || !MOVIES.includes(kind.mime) || !(await isSoundOnly(file))) return kind;
  return kindOf('audio/mp4');
}

/** Identifies a file by its first bytes; without a file, content that begins with these bytes. */
export async function sniffHead(head: Buffer, file?: string): Promise<MediaKind> {
  if (head.length === 0) return { mime: 'application/x-empty', extension: 'bin', type: 'file' };
  const binary = await binaryType(head, file);
  // Many texts also begin with a mark of two letters.
  if (binary && binary.mime !== 'application/xml' && !(binary.mime === 'image/bmp' && !isBmp(head)))
    return refined(binary, head, file);
  if (!binary && isQuickTime(head, file === undefined ? head.length : (await fs.stat(file)).size))
    return refined({ mime: 'video/quicktime', ext: 'mov' }, head, file);
  // The detector requires the directory, which a truncated file may lack.
  if (!binary && directoryOfTiff(head) !== undefined) return kindOf('image/tiff');
  const text = sniffText(head);
  if (text === undefined) return kindOf(binary?.mime === 'application/xml' ? 'text/xml' : 'application/octet-stream');
  const kind = kindOf(text);
  return kind.mime === 'text/plain' && head.length < HEAD_SIZE && isUrl(head.toString('utf8'))
    ? { ...kind, type: 'url' }
    : kind;
}

/**
 * A BMP contains the size of its second header at a place where other files that begin with `BM` contain something
 * else.
 */
const isBmp = (head: Buffer): boolean =>
  head.length >= 26 && [12, 40, 52, 56, 64, 108, 124].includes(head.readUInt32LE(14));
