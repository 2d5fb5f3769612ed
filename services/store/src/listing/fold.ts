/**
 * Texts as search compares them: in any script, in any case, composed or decomposed, with or without accents, in full or
 * half width. What differs only so is the same to somebody who searches.
 */

/**
 * Accents of Latin, Greek, Cyrillic, Hebrew and Arabic. Marks of other scripts are vowels or other consonants, and stay.
 * Behind them what joins, separates or directs and is not seen, and what only makes Arabic words longer.
 */
const MARKS =
  '0300-036f 0483-0487 1ab0-1aff 1dc0-1dff 20d0-20ff fe00-fe0f fe20-fe2f ' +
  '0591-05bd 05bf 05c1 05c2 05c4 05c5 05c7 0610-061a 0640 064b-065f 0670';
const UNSEEN = new RegExp(`[${MARKS.replace(/\w{4}/g, '\\u$&').replaceAll(' ', '')}\\p{Cf}]`, 'gu');

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
  '‘': "'",
  '’': "'",
  ʼ: "'",
  '“': '"',
  '”': '"',
  '„': '"',
};
const ALIKE_LETTERS = new RegExp(`[${Object.keys(ALIKE).join('')}]`, 'gu');

export function fold(text: string): string {
  return (
    text
      .normalize('NFKD')
      .replace(UNSEEN, '')
      // By way of the upper case, where ß and SS are one.
      .toUpperCase()
      .toLowerCase()
      .normalize('NFKD')
      .replace(UNSEEN, '')
      .replace(ALIKE_LETTERS, (letter) => ALIKE[letter] ?? letter)
      .normalize('NFC')
      .replace(/\s+/gu, ' ')
      .trim()
  );
}

/** What is searched of an entity: its label, and the name its file came with. A search never crosses the line between. */
export const searchText = ({ label, file_name }: { label: string | null; file_name: string | null }): string =>
  [label ?? '', file_name ?? ''].map(fold).join('\n');
