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

/**
 * Takes paths out of a tool's own words and shortens them to one line.
 * @param paths absolute paths that must not appear
 */
export function safeReason(text: string, paths: readonly string[] = []): string {
  let line = text.replace(/\s+/g, ' ').trim();
  for (const path of paths) line = line.replaceAll(path, 'the file');
  line = line.replace(/(file:)?\/[^\s:'"]+(\/[^\s:'"]*)+/g, 'the file');
  return line.length > 300 ? `${line.slice(0, 300)}…` : line;
}
