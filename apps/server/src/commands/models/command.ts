import { MODEL_ROLES, type ModelRole } from '@cl-server/contract';
import type { ModelRow, ModelStore } from '@cl-server/models';
import { StartupError } from '@cl-server/service-kit';
import type { ModelsArguments } from './arguments.js';

/** The input of each sub-command of `models`. */
export interface ModelsInput {
  readonly store: ModelStore;
  readonly args: ModelsArguments;
  /** Writes complete lines to standard output. */
  readonly print: (text: string) => void;
  /** Aborted by Ctrl-C. */
  readonly interrupted: AbortSignal;
  /** Standard error if a person watches it, for progress that is overwritten. */
  readonly terminal: { write(text: string): unknown } | undefined;
}

export const isRole = (word: string): word is ModelRole => (MODEL_ROLES as readonly string[]).includes(word);

/** @throws StartupError */
export function roleOf(word: string): ModelRole {
  if (isRole(word)) return word;
  throw new StartupError(`unknown role ${word}; the roles are ${MODEL_ROLES.join(', ')}`, 2);
}

/** The models that words name by id or role. @throws StartupError for an unknown word */
export function rowsOf(rows: readonly ModelRow[], words: readonly string[]): readonly ModelRow[] {
  const unknown = words.filter((word) => !rows.some((row) => names(row, word)));
  if (unknown.length > 0)
    throw new StartupError(`unknown model ${unknown.join(', ')}; "cl-server models" lists all models`, 2);
  return rows.filter((row) => words.some((word) => names(row, word)));
}

const names = ({ manifest, serves }: ModelRow, word: string): boolean =>
  manifest.id === word || (isRole(word) && serves.includes(word));

/** The models that serve a role, and the files that these need. */
export const inUse = (rows: readonly ModelRow[]): readonly ModelRow[] =>
  rows.filter(({ serves, manifest }) => serves.length > 0 || manifest.role === 'tokenizer');

export const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;

export const jsonText = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;
