/** The number of insertions, deletions, replacements and swaps of neighbours that turn one word into another. */
function edits(a: string, b: string): number {
  const rows: number[][] = Array.from({ length: a.length + 1 }, (_, i) => [i]);
  const at = (i: number, j: number): number => rows[i]?.[j] ?? (i === 0 ? j : Number.POSITIVE_INFINITY);
  for (let i = 1; i <= a.length; i++)
    for (let j = 1; j <= b.length; j++) {
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const row = rows[i] as number[];
      row[j] = Math.min(
        at(i - 1, j) + 1,
        at(i, j - 1) + 1,
        at(i - 1, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1),
        swapped ? at(i - 2, j - 2) + 1 : Number.POSITIVE_INFINITY,
      );
    }
  return at(a.length, b.length);
}

/** Longer words are not typing errors of an option, and comparing them would take long. */
const MAX_LENGTH = 60;

/**
 * Finds the words that were probably meant, the nearest ones only. A word of several parts is also near if one of its ends is:
 * `prot` is near `auth-port`, and `data` is near `data-dir`.
 */
export function nearest(word: string, known: readonly string[]): string[] {
  if (word === '' || word.length > MAX_LENGTH) return [];
  const distance = (candidate: string): number => {
    const parts = candidate.split('-');
    const ends = parts.flatMap((_, i) => [parts.slice(i).join('-'), parts.slice(0, i + 1).join('-')]);
    return Math.min(...ends.map((end) => edits(word, end)));
  };
  const scored = known.map((candidate) => ({ candidate, score: distance(candidate) }));
  const best = Math.min(...scored.map(({ score }) => score));
  if (best > Math.min(3, word.length / 2)) return [];
  return scored.filter(({ score }) => score === best).map(({ candidate }) => candidate);
}

/** `, did you mean --a or --b?` for a message; empty if no word is near. @param prefix stands before each word */
export function suggestion(word: string, known: readonly string[], prefix = ''): string {
  const near = nearest(word, known).map((candidate) => `${prefix}${candidate}`);
  if (near.length === 0) return '';
  const last = near.at(-1);
  return `, did you mean ${near.length === 1 ? last : `${near.slice(0, -1).join(', ')} or ${last}`}?`;
}
