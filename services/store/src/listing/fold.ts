/**
 * Texts as search compares them: in any script, in any case, composed or decomposed, with or without accents, in full or
 * half width. What differs only so is the same to somebody who searches.
 */

/** Accents of Latin, Greek, Cyrillic, Hebrew and Arabic. Marks of other scripts are vowels or other consonants, and stay. */
const ACCENTS =
  '0300-036f 0483-0487 1ab0-1aff 1dc0-1dff 20d0-20ff fe20-fe2f ' +
  '0591-05bd 05bf 05c1 05c2 05c4 05c5 05c7 0610-061a 064b-065f 0670';
/** What joins, separates or directs and is not seen, and what only makes Arabic words longer. */
const UNSEEN = '\\p{Cf}\\ufe00-\\ufe0f\\u0640';
const WITHOUT_ACCENTS = new RegExp(`[${ACCENTS.replace(/\w{4}/g, '\\u$&').replaceAll(' ', '')}${UNSEEN}]`, 'gu');
const WITH_ACCENTS = new RegExp(`[${UNSEEN}]`, 'gu');

/** Letters that Unicode takes for letters of their own and people for others with a stroke, and two ways of quoting. */
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
      // By way of the upper case, where many letters with two forms are one.
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

/** What is asked: who writes accents means them, and who writes none finds letters with and without. */
export const foldQuery = (text: string): string => folded(text, WITH_ACCENTS);

/**
 * What is searched of an entity: its label, and the name its file came with, without accents and, where they have some,
 * with them. A search never crosses the line between.
 */
export function searchText({ label, file_name }: { label: string | null; file_name: string | null }): string {
  const texts = [label ?? '', file_name ?? ''];
  const plain = texts.map(fold).join('\n');
  const accented = texts.map(foldQuery).join('\n');
  return accented === plain ? plain : `${plain}\n${accented}`;
}
