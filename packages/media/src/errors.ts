/** The errors of this package, and the removal of paths from the messages of tools. */
import type { JobErrorCode } from '@cl-server/contract';

export type MediaErrorCode = Extract<
  JobErrorCode,
  'invalid_input' | 'unsupported_media' | 'tool_missing' | 'timeout' | 'cancelled' | 'task_failed'
>;

/** An expected failure with a file. Its message is for clients: a sentence without paths of the server. */
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

/**
 * Matches `[mov,mp4,m4a @ 0x5644079e5240] ` at the start of a line of ffmpeg: the component that speaks and its address
 * in memory.
 */
const COMPONENT_PREFIX = /\[[^[\]]*@ (0x)?[0-9a-f]{6,16}\] */gi;

/**
 * Removes paths and addresses from the message of a tool and shortens it to one line.
 * @param paths absolute paths that must not appear
 */
export function safeReason(text: string, paths: readonly string[] = []): string {
  let line = text
    .split(/\r?\n/)
    .map((part) => part.replace(COMPONENT_PREFIX, '').replace(/\s+/g, ' ').trim())
    .filter((part) => part !== '' && !/^Last message repeated \d+ times?$/.test(part))
    .join('; ');
  for (const path of paths) line = line.replaceAll(`file:${path}`, path).replaceAll(path, 'the file');
  line = line.replace(/(file:)?\/[^\s:'"]+(\/[^\s:'"]*)+/g, 'the file');
  return line.length > 300 ? `${line.slice(0, 300)}…` : line;
}
