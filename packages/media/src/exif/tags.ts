/** Looks values up in the tags of a file. */
import type { RawTags } from './reader.js';

/** Groups in the order of trust. `Composite` is first: it contains signs and corrected values. */
const GROUPS_BY_TRUST = [
  'Composite',
  'EXIF',
  'QuickTime',
  'XMP',
  'IPTC',
  'PNG',
  'RIFF',
  'Matroska',
  'ID3',
  'MakerNotes',
  'File',
];
const rank = (group: string): number => {
  const at = GROUPS_BY_TRUST.indexOf(group);
  return at < 0 ? GROUPS_BY_TRUST.length : at;
};

/**
 * ExifTool assumes that a QuickTime time before 1970 was counted from 1970, as some cameras did. The reader has
 * replaced it if the file shows the right time (`movie-times.ts`); otherwise it does not count as a time.
 */
export const GUESSED = /incorrect time zero/i;
const QUICKTIME_TIME = /^QuickTime:(Track|Media)?(Create|Modify)Date$/;

/** Looks tags up by `Group:Name`, or by their bare names in any group. */
export class TagIndex {
  private readonly byName = new Map<string, { group: string; value: unknown }[]>();

  constructor(raw: RawTags) {
    const isGuessed = GUESSED.test(String(raw['ExifTool:Warning'] ?? ''));
    for (const [key, value] of Object.entries(raw)) {
      if (isGuessed && QUICKTIME_TIME.test(key)) continue;
      const at = key.lastIndexOf(':');
      const name = key.slice(at + 1);
      const entries = this.byName.get(name) ?? [];
      entries.push({ group: key.slice(0, Math.max(0, at)), value });
      this.byName.set(name, entries);
    }
    for (const entries of this.byName.values()) entries.sort((a, b) => rank(a.group) - rank(b.group));
  }

  /** The first of these tags from which `accept` makes a value. */
  private find<T>(names: readonly string[], accept: (value: unknown) => T | null): T | null {
    for (const asked of names) {
      const at = asked.lastIndexOf(':');
      const group = asked.slice(0, Math.max(0, at));
      for (const { value, group: of } of this.byName.get(asked.slice(at + 1)) ?? []) {
        // Tags that a client requested have no group.
        if (group !== '' && of !== '' && of !== group) continue;
        const accepted = accept(value);
        if (accepted !== null) return accepted;
      }
    }
    return null;
  }

  /** Whether the tag exists, with any value. */
  has(name: string): boolean {
    return this.find([name], (value) => (value === undefined ? null : true)) !== null;
  }

  text(...names: string[]): string | null {
    return this.textThat(() => true, ...names);
  }

  /** The first text that makes sense for this purpose. */
  textThat(makesSense: (text: string) => boolean, ...names: string[]): string | null {
    return this.find(names, (value) => {
      if (typeof value !== 'string' && typeof value !== 'number') return null;
      const text = String(value).replaceAll('\0', '').trim();
      return text !== '' && makesSense(text) ? text : null;
    });
  }

  number(...names: string[]): number | null {
    return this.find(names, (value) => {
      const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
      return typeof number === 'number' && Number.isFinite(number) ? number : null;
    });
  }

  integer(...names: string[]): number | null {
    const number = this.number(...names);
    return number === null ? null : Math.round(number);
  }
}
