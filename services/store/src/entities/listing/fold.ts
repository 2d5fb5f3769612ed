/**
 * Folds texts for search. Texts are equal for search if they differ only in case, composition, accents, or full and half
 * width, in any script.
 */

/** Accents of Latin, Greek, Cyrillic, Hebrew and Arabic. Marks of other scripts are vowels or other consonants, and stay. */
const ACCENTS =
  '0300-036f 0483-0487 1ab0-1aff 1dc0-1dff 20d0-20ff fe20-fe2f ' +
  '0591-05bd 05bf 05c1 05c2 05c4 05c5 05c7 0610-061a 064b-065f 0670';
/** Invisible characters that join, separate or direct text, and the character that only stretches Arabic words. */
const UNSEEN = '\\p{Cf}\\ufe00-\\ufe0f\\u0640';
const WITHOUT_ACCENTS = new RegExp(`[${ACCENTS.replace(/\w{4}/g, '\\u$&').replaceAll(' ', '')}${UNSEEN}]`, 'gu');
const WITH_ACCENTS = new RegExp(`[${UNSEEN}]`, 'gu');

/** Characters that people regard as variants of another one although Unicode does not: letters with a stroke, quotes. */
const ALIKE: Readonly<Record<string, string>> = {
  ø: 'o',
  ł: 'l',
  đ: 'd',
  ħ: 'h',
  æ: 'ae',
  œ: 'oe',
  ı: 'i',
  ς: 'σ',
  ß: 'ss',
  '‘': "'",
  '’': "'",
  ʼ: "'",
  '“': '"',
  '”': '"',
  '„': '"',
};
const ALIKE_LETTERS = new RegExp(`[${Object.keys(ALIKE).join('')}]`, 'gu');

function folded(text: string, dropped: RegExp): string {
  return (
    text
      .normalize('NFKD')
      .replace(dropped, '')
      // Many letters with two lower-case forms have one upper-case form.
      .toUpperCase()
      .toLowerCase()
      .normalize('NFKD')
      .replace(dropped, '')
      .replace(ALIKE_LETTERS, (letter) => ALIKE[letter] ?? letter)
      .normalize('NFC')
      .replace(/\s+/gu, ' ')
      .trim()
  );
}

export const fold = (text: string): string => folded(text, WITHOUT_ACCENTS);

/** Folds the query. Accents in it must match; a letter without an accent matches with and without one. */
export const foldQuery = (text: string): string => folded(text, WITH_ACCENTS);

/**
 * The text of an entity that search reads: its label and its file name without accents and, if they have some, with
 * accents. They are separate lines, and no match crosses the end of a line.
 */
export function searchText({ label, file_name }: { label: string | null; file_name: string | null }): string {
  const texts = [label ?? '', file_name ?? ''];
  const plain = texts.map(fold).join('\n');
  const accented = texts.map(foldQuery).join('\n');
  return accented === plain ? plain : `${plain}\n${accented}`;
}
