/** Names of uploads, made harmless as names of files. */

/** Bytes of UTF-8; file systems take 255, and suffixes such as `.tb.png` must still fit. */
const MAX_BYTES = 200;
/** Devices on Windows, where someone may one day unpack what we stored. */
const DEVICES = /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i;
/** Control, format (invisible and direction-changing) and unassigned characters, and what shells and Windows take apart. */
const UNSAFE = /[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Zl}\p{Zp}<>:"|?*\\/]/gu;

function cut(text: string, bytes: number): string {
  let kept = '';
  let used = 0;
  for (const char of text) {
    used += Buffer.byteLength(char);
    if (used > bytes) break;
    kept += char;
  }
  return kept;
}

/**
 * A client's file name as one safe path segment: folders cut off, dangerous characters replaced, length bounded, the
 * extension kept. Never empty, never hidden, never `.` or `..`.
 */
export function safeFileName(name: string, fallback = 'file'): string {
  const base = Buffer.from(name).toString().normalize('NFC').split(/[/\\]/).at(-1) ?? '';
  const clean = base
    .replace(UNSAFE, '_')
    .replace(/^[.\s-]+/, '')
    .replace(/[.\s]+$/, '');
  const named = clean === '' ? fallback : DEVICES.test(clean) ? `_${clean}` : clean;
  if (Buffer.byteLength(named) <= MAX_BYTES) return named;
  const extension = /\.[\p{L}\p{N}]{1,16}$/u.exec(named)?.[0] ?? '';
  return cut(named.slice(0, named.length - extension.length), MAX_BYTES - Buffer.byteLength(extension)) + extension;
}
