/** Converts texts to the tokens of a text model. */
import fsp from 'node:fs/promises';
import path from 'node:path';
import { Tokenizer } from '@huggingface/tokenizers';

export interface Tokens {
  readonly ids: readonly number[];
  /** Number of tokens of the whole text, including the start and end marks. */
  readonly count: number;
  readonly truncated: boolean;
}

export interface TextTokenizer {
  /** Returns at most `max` tokens; a longer text keeps its beginning and its end mark. */
  encode(text: string, max: number): Tokens;
}

interface AddedToken {
  id: number;
  content: string;
  special?: boolean;
}

const ADVICE = 'name the tokenizer.json that was published with the model';

async function readTokenizer(file: string): Promise<{ tokenizer: Tokenizer; added: readonly AddedToken[] }> {
  const text = await fsp.readFile(file, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    const why = cause.code === 'EISDIR' ? 'is a folder' : 'cannot be read';
    throw new Error(`the tokenizer ${path.basename(file)} ${why}: ${ADVICE}`, { cause });
  });
  try {
    const json = JSON.parse(text) as { added_tokens?: AddedToken[] };
    const tokenizer = new Tokenizer(json, {});
    // Many JSON files are accepted as a tokenizer until they must encode a text.
    const { ids } = tokenizer.encode('a photo');
    if (ids.length === 0 || !ids.every(Number.isInteger)) throw new Error('it gives no tokens');
    return { tokenizer, added: json.added_tokens ?? [] };
  } catch (cause) {
    throw new Error(`${path.basename(file)} is not a usable tokenizer: ${ADVICE}`, { cause });
  }
}

/** Reads a `tokenizer.json`. @throws Error if the file is not one */
export async function loadTokenizer(file: string): Promise<TextTokenizer> {
  const { tokenizer, added } = await readTokenizer(file);
  const end = added.find(({ content }) => /endoftext|<\/s>|\[SEP\]/.test(content))?.id;
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
