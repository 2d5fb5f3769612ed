import type { JobErrorCode } from '@cl-server/contract';

export type MediaErrorCode = Extract<
  JobErrorCode,
  'invalid_input' | 'unsupported_media' | 'tool_missing' | 'timeout' | 'cancelled' | 'task_failed'
>;

/** A foreseen failure with a file. The message is for clients: a sentence without paths of the server. */
export class MediaError extends Error {
  override readonly name = 'MediaError';
  constructor(
    readonly code: MediaErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

export const invalidMedia = (message: string, cause?: unknown): MediaError =>
  new MediaError('invalid_input', message, { cause });

export const unsupportedMediaKind = (message: string, cause?: unknown): MediaError =>
  new MediaError('unsupported_media', message, { cause });

/** `[mov,mp4,m4a @ 0x5644079e5240] ` before a line of ffmpeg's: which part of it speaks, and where that lies in memory. */
const SPEAKER = /\[[^[\]]*@ (0x)?[0-9a-f]{6,16}\] */gi;

/**
 * Takes paths and addresses out of a tool's own words and shortens them to one line.
 * @param paths absolute paths that must not appear
 */
export function safeReason(text: string, paths: readonly string[] = []): string {
  let line = text
    .split(/\r?\n/)
    .map((part) => part.replace(SPEAKER, '').replace(/\s+/g, ' ').trim())
    .filter((part) => part !== '' && !/^Last message repeated \d+ times?$/.test(part))
    .join('; ');
  for (const path of paths) line = line.replaceAll(`file:${path}`, path).replaceAll(path, 'the file');
  line = line.replace(/(file:)?\/[^\s:'"]+(\/[^\s:'"]*)+/g, 'the file');
  return line.length > 300 ? `${line.slice(0, 300)}…` : line;
}
