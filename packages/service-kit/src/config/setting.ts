/**
 * One setting: its names in each source, how its text is read, and what it is when nobody says.
 */
export interface Setting<T> {
  /** Environment variable, and upper-case twin of the key in `config.yaml`. */
  readonly env: string;
  /** Long flag without dashes, and further names for it. */
  readonly flag?: string;
  readonly flagAliases?: readonly string[];
  readonly short?: string;
  /** True for a flag that takes no value. */
  readonly isSwitch?: boolean;
  /** Reads the text; throws an Error whose message says what is expected. */
  readonly parse: (text: string) => T;
  readonly default?: T;
  /** Describes a default that depends on the machine, for the guide. */
  readonly defaultText?: string;
  readonly required?: boolean;
  /** Secrets, URLs that may hold a password among them, accept `<ENV>_FILE` and are never printed. */
  readonly secret?: boolean;
  readonly help: string;
}

/** Settings by the name that code uses for them. */
// biome-ignore lint/suspicious/noExplicitAny: each setting has its own value type, kept by inference below
export type Settings = Readonly<Record<string, Setting<any>>>;

type ValueOf<S> =
  S extends Setting<infer T>
    ? S extends { readonly default: NonNullable<unknown> } | { readonly required: true }
      ? T
      : T | undefined
    : never;
export type Values<S extends Settings> = { readonly [K in keyof S]: ValueOf<S[K]> };

const expect = (condition: boolean, what: string): void => {
  if (!condition) throw new Error(`expected ${what}`);
};

export const asText = (text: string): string => text;

export const asNonEmpty = (text: string): string => {
  expect(text.trim() !== '', 'a text that is not empty');
  return text;
};

export const asInt =
  (min: number, max: number) =>
  (text: string): number => {
    const value = Number(text);
    expect(/^[+-]?\d+$/.test(text.trim()) && value >= min && value <= max, `a whole number from ${min} to ${max}`);
    return value;
  };

export const asNumber =
  (min: number, max: number) =>
  (text: string): number => {
    const value = Number(text);
    expect(
      text.trim() !== '' && Number.isFinite(value) && value >= min && value <= max,
      `a number from ${min} to ${max}`,
    );
    return value;
  };

export const asPort = asInt(0, 65_535);

export const asBool = (text: string): boolean => {
  const word = text.trim().toLowerCase();
  expect(
    ['true', '1', 'yes', 'on', 'false', '0', 'no', 'off'].includes(word),
    'true or false (also 1/0, yes/no, on/off)',
  );
  return ['true', '1', 'yes', 'on'].includes(word);
};

export const asChoice =
  <const T extends readonly string[]>(words: T) =>
  (text: string): T[number] => {
    const word = text.trim().toLowerCase();
    expect(words.includes(word), `one of ${words.join(', ')}`);
    return word;
  };

export const asList = (text: string): readonly string[] =>
  text
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '');

export const asUrl =
  (...protocols: readonly string[]) =>
  (text: string): string => {
    const url = URL.canParse(text) ? new URL(text) : undefined;
    expect(
      url !== undefined && protocols.includes(url.protocol.slice(0, -1)),
      `a URL beginning ${protocols.map((p) => `${p}://`).join(' or ')}`,
    );
    // eslint-disable-next-line regexp/no-super-linear-move -- an address of the operator, some characters long
    return text.replace(/\/+$/, '');
  };

/** A URL as it may be shown: without name and password, and without a query, which may hold them too. */
export function shownUrl(text: string): string {
  if (!URL.canParse(text)) return '(not a URL)';
  const url = new URL(text);
  url.username = '';
  url.password = '';
  url.search = '';
  return url.href.replace(/\/$/, '');
}

export const asDatabaseUrl = asUrl('sqlite', 'postgres', 'postgresql');

/** Bytes, with the usual suffixes: `500MB`, `2GiB`, `1000000`. */
export const asBytes = (text: string): number => {
  const match = /^(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?$/i.exec(text.trim());
  expect(match !== null, 'a size such as 500MB, 2GiB or a number of bytes');
  const [, digits = '0', unit = '', binary = ''] = match ?? [];
  const step = binary ? 1024 : 1000;
  return Math.round(Number(digits) * step ** ' kmgt'.indexOf(unit.toLowerCase() || ' '));
};
