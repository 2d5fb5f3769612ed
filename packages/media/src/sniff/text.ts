/** Identifies kinds of text. */
import { isUtf8 } from 'node:buffer';

/** Characters that no text file contains: C0 controls except tab, line feed, form feed, carriage return and escape. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
const BINARY = /[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f]/;
const URL_LINE = /^https?:\/\/(?:[A-Za-z0-9\-._~:/?#[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})+$/;

/** Removes the bytes of a character that the end of the buffer splits. */
function wholeCharacters(head: Buffer): Buffer {
  for (let cut = 0; cut < 4; cut++) {
    const part = head.subarray(0, head.length - cut);
    if (isUtf8(part)) return part;
  }
  return head;
}

/**
 * The MIME type of a text, or undefined if the bytes are not text (UTF-8, or UTF-16 with a byte order mark).
 * @param head the file's first bytes
 */
export function sniffText(head: Buffer): string | undefined {
  if (head.length >= 2 && (head.readUInt16BE(0) === 0xfffe || head.readUInt16BE(0) === 0xfeff)) return 'text/plain';
  const part = wholeCharacters(head);
  if (!isUtf8(part)) return undefined;
  const text = part.toString('utf8').replace(/^\uFEFF/, '');
  if (BINARY.test(text)) return undefined;
  return markup(text.trimStart());
}

function markup(start: string): string {
  if (start.startsWith('#EXTM3U')) return 'application/vnd.apple.mpegurl';
  if (/^v=0\r?\n/.test(start)) return 'application/sdp';
  if (start.startsWith('<')) {
    const root = /<(?![?!])([A-Za-z][\w:.-]*)/.exec(start)?.[1]?.toLowerCase().replace(/^.*:/, '');
    if (root === 'svg') return 'image/svg+xml';
    if (root === 'mpd') return 'application/dash+xml';
    if (root === 'html' || /^<!doctype html/i.test(start)) return 'text/html';
    if (start.startsWith('<?xml')) return 'text/xml';
  }
  if (/^[[{]/.test(start) && isJsonStart(start)) return 'application/json';
  return 'text/plain';
}

function isJsonStart(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Whether the text is exactly one http or https address. */
export const isUrl = (text: string): boolean => !/[\r\n]/.test(text) && URL_LINE.test(text.trim());
