/** Finds persons by their names, and names the persons of faces. */
import type { Face, KnownPerson } from '@cl-server/client';
import type { Context } from '../context.js';
import { CliError, EXIT } from '../exit-codes.js';
import type { View } from '../io/output.js';
import { wordsOf } from '../targets.js';
import { FACE } from '../views.js';

const folded = (text: string): string => text.normalize('NFC').toLowerCase();

/**
 * Returns the id of the person that the user named by id or name.
 * @throws CliError if nobody, or more than one person, has the name
 */
export async function personId(context: Context, text: string): Promise<number> {
  if (/^\d+$/.test(text)) return Number(text);
  const { persons } = (await context.platform()).store;
  const all = await persons.list(context.call);
  const matches = all.filter(({ name }) => name !== null && folded(name) === folded(text));
  const [only, ...others] = matches;
  if (!only) throw new CliError(`There is no person ${text}`, EXIT.notFound, 'List them with: cl-client persons list');
  if (others.length === 0) return only.id;
  const candidates = matches.map(({ id, face_count }) => `${id} (${face_count} faces)`).join(', ');
  throw new CliError(`${matches.length} persons are called ${text}: ${candidates}`, EXIT.conflict, 'Give an id');
}

/** Returns the ids of persons: ids, names, or `-` for a list of ids on standard input. */
export async function personIds(context: Context, words: readonly string[]): Promise<number[]> {
  const ids: number[] = [];
  for (const word of words) {
    const given = word === '-' ? await wordsOf([word], context.world.stdin) : [word];
    for (const one of given) ids.push(await personId(context, one));
  }
  return [...new Set(ids)];
}

/** Returns the text that names a person: the name, or the id of a person without a name. */
export async function personNames(
  context: Context,
  ids: readonly (number | null)[],
): Promise<(id: number | null) => string> {
  const { persons } = (await context.platform()).store;
  const known = [...new Set(ids.filter((id) => id !== null))];
  const found = await Promise.all(
    known.map((id) => persons.get(id, context.call).catch((): KnownPerson | undefined => undefined)),
  );
  const names = new Map(found.flatMap((person) => (person?.name ? [[person.id, person.name]] : [])));
  return (id) => (id === null ? '' : (names.get(id) ?? String(id)));
}

/** How people see faces: with the names of their persons. */
export async function faceView(context: Context, faces: readonly Face[]): Promise<View<Face>> {
  const isHuman = context.out.format === 'human';
  const named = await personNames(context, isHuman ? faces.map(({ known_person_id }) => known_person_id) : []);
  const person = { title: 'Person', value: ({ known_person_id }: Face) => named(known_person_id) };
  return { ...FACE, columns: FACE.columns.map((column) => (column.title === 'Person' ? person : column)) };
}
