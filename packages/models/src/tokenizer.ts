import fsp from 'node:fs/promises';
import { Tokenizer } from '@huggingface/tokenizers';

export interface Tokens {
  readonly ids: readonly number[];
  /** Tokens of the whole text, marks included. */
  readonly count: number;
  readonly truncated: boolean;
}

export interface TextTokenizer {
  /** At most `max` tokens; a longer text keeps its beginning and its end mark. */
  encode(text: string, max: number): Tokens;
}

interface AddedToken {
  id: number;
  content: string;
  special?: boolean;
}

/** Reads a `tokenizer.json`. @throws Error where it is not one */
export async function loadTokenizer(file: string): Promise<TextTokenizer> {
  const json = JSON.parse(await fsp.readFile(file, 'utf8')) as { added_tokens?: AddedToken[] };
  const added = json.added_tokens ?? [];
  const end = added.find(({ content }) => /endoftext|<\/s>|\[SEP\]/.test(content))?.id;
  const tokenizer = new Tokenizer(json, {});
  return {
    encode: (text, max) => {
      const ids = tokenizer.encode(text).ids;
      if (ids.length <= max) return { ids, count: ids.length, truncated: false };
      const kept = ids.slice(0, max);
      if (end !== undefined) kept[max - 1] = end;
      return { ids: kept, count: ids.length, truncated: true };
    },
  };
}
