/** The targets of a command: ids that were given as arguments or on standard input. */

import { collectFailures } from './collect-failures.js';
import type { Context } from './context.js';
import { resolveCollection, resolveInTrash } from './entities/resolve-collection.js';
import { CliError, EXIT } from './exit-codes.js';
import type { View } from './io/output.js';
import { readAll } from './io/prompt.js';

/**
 * Returns the words of a command line, with the words on standard input in place of `-`.
 * @throws CliError if there is none
 */
export async function wordsOf(words: readonly string[], stdin: NodeJS.ReadableStream): Promise<string[]> {
  const all: string[] = [];
  for (const word of words) {
    if (word !== '-') all.push(word);
    else all.push(...(await readAll(stdin)).split(/[\s,\0]+/).filter((id) => id !== ''));
  }
  if (all.length === 0) throw new CliError('No ids were given', EXIT.usage);
  return [...new Set(all)];
}

/** Returns the lines of standard input in place of `-`, for words that may contain spaces. */
async function linesOf(words: readonly string[], stdin: NodeJS.ReadableStream): Promise<string[]> {
  const all: string[] = [];
  for (const word of words) {
    if (word !== '-') all.push(word);
    else
      all.push(
        ...(await readAll(stdin))
          .split(/[\r\n\0]+/)
          .map((line) => line.trim())
          .filter(Boolean),
      );
  }
  return all;
}

/** Returns the id in `27` or `entity:27`; undefined if the text is something else. */
export function entityIdIn(text: string): number | undefined {
  const digits = /^(?:entity:)?(\d+)$/.exec(text)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/** Returns the id of the entity that the user named by its id, or of the collection that was named by name or path. */
export async function entityId(context: Context, text: string, use?: 'parent'): Promise<number> {
  const id = entityIdIn(text);
  if (id !== undefined) return id;
  const { entities } = (await context.platform()).store;
  return resolveCollection(entities, text, context.call, use);
}

/**
 * Returns the ids of entities: ids, names or paths of collections, or `-` for a list of those on standard input.
 * @param inTrash whether names are those of collections in the trash
 */
export async function entityIds(
  context: Context,
  words: readonly string[],
  { inTrash = false }: { readonly inTrash?: boolean } = {},
): Promise<number[]> {
  const { entities } = (await context.platform()).store;
  const given = await linesOf(words, context.world.stdin);
  const ids: number[] = [];
  for (const word of given) {
    // A list of ids may be separated by spaces or commas.
    const parts = /^[\d\s,]+$/.test(word) ? word.split(/[\s,]+/).filter(Boolean) : [word];
    for (const part of parts)
      ids.push(
        entityIdIn(part) ?? (await (inTrash ? resolveInTrash : resolveCollection)(entities, part, context.call)),
      );
  }
  if (ids.length === 0) throw new CliError('No ids were given', EXIT.usage);
  return [...new Set(ids)];
}

/** Returns the parent that the user named: the id of a collection, or null for outside of collections. */
export async function parentId(context: Context, text: string): Promise<number | null> {
  return text === '0' || text === '/' ? null : entityId(context, text, 'parent');
}

interface EachOptions<T> {
  readonly view: View<T>;
  /** The message for a person about each result; default: the fields of one result, or a table of several. */
  readonly told?: (result: T) => string;
}

/**
 * Does the same for each of several ids, and prints one result, or a list of results.
 * @throws CliError if it failed for any, after the others are done
 */
export async function forEach<Id extends string | number, T extends object>(
  context: Context,
  ids: readonly Id[],
  work: (id: Id) => Promise<T>,
  { view, told }: EachOptions<T>,
): Promise<void> {
  const { out } = context;
  const single = ids.length === 1;
  const byLine = !single && (out.format === 'ndjson' || out.format === 'quiet');
  const failures = collectFailures(context, single);
  const results: T[] = [];
  for (const id of ids) {
    const result = await failures.guard(String(id), () => work(id));
    if (result === undefined) continue;
    results.push(result);
    if (out.format === 'human' && told) out.success(told(result));
    else if (byLine) await out.one(result, view.id);
  }
  const [only] = results;
  if (single && only && !(out.format === 'human' && told)) await out.one(only, view.id);
  else if (!single && !byLine && !(out.format === 'human' && told)) await out.many(results, view);
  failures.finish(ids.length);
}
