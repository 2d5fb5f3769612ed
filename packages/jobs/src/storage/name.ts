const FORBIDDEN = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}/\\:*?"<>|]/gu;
/** Names that Windows gives to devices, whatever follows the first dot. */
const DEVICE = /^(con|prn|aux|nul|com\d|lpt\d)(?=\.|$)/i;
const MAX_BYTES = 200;

function cut(name: string): string {
  if (Buffer.byteLength(name) <= MAX_BYTES) return name;
  const dot = name.lastIndexOf('.');
  const extension = dot > 0 && name.length - dot <= 16 ? name.slice(dot) : '';
  let stem = extension ? name.slice(0, dot) : name;
  const room = MAX_BYTES - Buffer.byteLength(extension);
  while (Buffer.byteLength(stem) > room) stem = [...stem].slice(0, -1).join('');
  return stem + extension;
}

/**
 * A file name from a client made safe: its last path segment, without control and direction characters, separators,
 * device names, leading dots or trailing dots and blanks, at most 200 bytes with the extension kept.
 * @param fallback where nothing is left
 */
export function sanitizeFileName(name: string, fallback = 'file'): string {
  const last = name.split(/[/\\]/).at(-1) ?? '';
  const clean = last
    .normalize('NFC')
    .toWellFormed()
    .replace(FORBIDDEN, '_')
    .replace(/^[.\s]+|[.\s]+$/gu, '')
    .replace(DEVICE, '_$1');
  return cut(clean) || fallback;
}
