/** Names of uploads, made harmless as names of files. */

/** Bytes of UTF-8; file systems take 255, and suffixes such as `.tb.png` must still fit. */
const MAX_BYTES = 200;
/** Devices on Windows, where someone may one day unpack what we stored. */
const DEVICES = /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i;
/** Joiners are kept between Persian letters and between parts of an emoji. Anywhere else they would only hide something. */
const JOINER =
  /(?<=[\p{L}\p{M}\p{Extended_Pictographic}\p{Emoji_Modifier}])[\u200c\u200d](?=[\p{L}\p{Extended_Pictographic}])/gu;
/** Control, format (invisible and direction-changing) and unassigned characters, and what shells and Windows take apart. */
const UNSAFE = /[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Zl}\p{Zp}<>:"|?*\\/]/gu;

/** Characters that are looked at; of a longer name the begin, and the end with its extension. */
const MAX_READ = 2_000;

const bounded = (name: string): string =>
  name.length <= MAX_READ ? name : name.slice(0, MAX_READ / 2) + name.slice(-MAX_READ / 2);

/** Without dots and spaces at the end. An expression for it would begin at each of them, and take quadratic time. */
function withoutTail(text: string): string {
  let end = text.length;
  while (end > 0 && (text[end - 1] === '.' || text.slice(end - 1, end).trim() === '')) end--;
  return text.slice(0, end);
}

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

/** Replaces what is dangerous; `kept` matches what is not, where it stands. */
function withoutDanger(text: string, kept: RegExp): string {
  const spared = text.match(kept) ?? [];
  const parts = text.split(kept).map((part) => part.replace(UNSAFE, '_'));
  return parts.map((part, at) => part + (spared[at] ?? '')).join('');
}

/**
 * A client's file name as one safe path segment: folders cut off, dangerous characters replaced, length bounded, the
 * extension kept. Never empty, never hidden, never `.` or `..`.
 */
export const safeFileName = (name: string, fallback = 'file'): string => cleaned(name, fallback, JOINER);

/** The same to be shown: with its quotation marks, which file systems of some machines do not take. */
export const shownFileName = (name: string, fallback = 'file'): string =>
  cleaned(name, fallback, new RegExp(`${JOINER.source}|"`, 'gu'));

function cleaned(name: string, fallback: string, kept: RegExp): string {
  const base = Buffer.from(bounded(name)).toString().normalize('NFC').split(/[/\\]/).at(-1) ?? '';
  const clean = withoutTail(withoutDanger(base, kept).replace(/^[.\s-]+/, ''));
  const named = clean === '' ? fallback : DEVICES.test(clean) ? `_${clean}` : clean;
  if (Buffer.byteLength(named) <= MAX_BYTES) return named;
  const extension = /\.[\p{L}\p{N}]{1,16}$/u.exec(named)?.[0] ?? '';
  return cut(named.slice(0, named.length - extension.length), MAX_BYTES - Buffer.byteLength(extension)) + extension;
}
