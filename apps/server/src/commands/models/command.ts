import { MODEL_ROLES, type ModelRole } from '@cl-server/contract';
import type { ModelRow, ModelStore } from '@cl-server/models';
import { StartupError } from '@cl-server/service-kit';
import type { ModelsArguments } from './arguments.js';

/** What each sub-command of `models` is given. */
export interface ModelsInput {
  readonly store: ModelStore;
  readonly args: ModelsArguments;
  /** Writes to standard output; whole lines. */
  readonly print: (text: string) => void;
  /** Aborted by Ctrl-C. */
  readonly interrupted: AbortSignal;
  /** Standard error where a person watches it, for what is overwritten. */
  readonly terminal: { write(text: string): unknown } | undefined;
}

export const isRole = (word: string): word is ModelRole => (MODEL_ROLES as readonly string[]).includes(word);

/** @throws StartupError */
export function roleOf(word: string): ModelRole {
  if (isRole(word)) return word;
  throw new StartupError(`there is no role ${word}; there are ${MODEL_ROLES.join(', ')}`, 2);
}

/** The models that words name by id or role. @throws StartupError for a word that names none */
export function rowsOf(rows: readonly ModelRow[], words: readonly string[]): readonly ModelRow[] {
  const unknown = words.filter((word) => !rows.some((row) => names(row, word)));
  if (unknown.length > 0)
    throw new StartupError(`there is no model ${unknown.join(', ')}; "cl-server models" lists them`, 2);
  return rows.filter((row) => words.some((word) => names(row, word)));
}

const names = ({ manifest, serves }: ModelRow, word: string): boolean =>
  manifest.id === word || (isRole(word) && serves.includes(word));

/** Those that serve something, and what those need beside them. */
export const inUse = (rows: readonly ModelRow[]): readonly ModelRow[] =>
  rows.filter(({ serves, manifest }) => serves.length > 0 || manifest.role === 'tokenizer');

export const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;

export const jsonText = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;
