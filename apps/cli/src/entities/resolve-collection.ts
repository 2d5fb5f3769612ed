/**
 * Finds a collection that the user named by its id, its name, or its path (`Holidays/2024`).
 *
 * A name may be anywhere in the library. A path that begins with `/` begins outside of all collections; this is also how to
 * write a name that consists of digits (`/2024`), because digits alone are an id.
 */
import type { EntitiesClient, Entity } from '@cl-server/client';
import { CliError, EXIT } from '../exit-codes.js';

type Call = { readonly signal: AbortSignal };

/** The parent id by which the server lists what is outside of all collections. */
const OUTSIDE = 0;

/** The server accepts a search text of this length. */
const MAX_SEARCH = 500;

/** More candidates than these are not listed in a message. */
const SHOWN_CANDIDATES = 5;

const sameText = (a: string, b: string): boolean => a.normalize('NFC') === b.normalize('NFC');
const similarText = (a: string, b: string): boolean => sameText(a.toLowerCase(), b.toLowerCase());

/** The live collections whose name contains a text. @param parent an id, or 0 for outside of collections; default: anywhere */
async function collectionsLike(entities: EntitiesClient, text: string, call: Call, parent?: number): Promise<Entity[]> {
  const filters = {
    search_query: text.normalize('NFC').slice(0, MAX_SEARCH),
    is_collection: true,
    exclude_deleted: true,
    parent_id: parent,
  };
  const found: Entity[] = [];
  for await (const entity of entities.list(filters, call)) if (!entity.is_indirectly_deleted) found.push(entity);
  return found;
}

const named = (collections: readonly Entity[], name: string): Entity[] =>
  collections.filter(({ label }) => label !== null && sameText(label, name));

/** Returns the collections of a name in one collection. @param parent an id, or null for outside of collections */
export async function collectionsIn(
  entities: EntitiesClient,
  parent: number | null,
  name: string,
  call: Call,
): Promise<Entity[]> {
  return named(await collectionsLike(entities, name, call, parent ?? OUTSIDE), name);
}

/** Returns the path of an entity from the outermost collection to itself, for messages. */
export async function pathOf(entities: EntitiesClient, entity: Entity, call: Call): Promise<string> {
  const names: string[] = [];
  for (let at: Entity | undefined = entity; at; ) {
    names.unshift(at.label ?? at.file_name ?? `#${at.id}`);
    at = at.parent_id === null ? undefined : await entities.get(at.parent_id, call);
  }
  return names.join('/');
}

/** The collections at the end of a path whose first name is one of these. */
async function follow(
  entities: EntitiesClient,
  first: readonly Entity[],
  names: readonly string[],
  call: Call,
): Promise<Entity[]> {
  let at = [...first];
  for (const name of names)
    at = (await Promise.all(at.map(({ id }) => collectionsIn(entities, id, name, call)))).flat();
  return at;
}

const ambiguous = async (
  entities: EntitiesClient,
  text: string,
  matches: readonly Entity[],
  call: Call,
): Promise<CliError> =>
  new CliError(
    `${matches.length} collections are called ${text}: ${await candidateText(entities, matches, call)}`,
    EXIT.conflict,
    'Give the id or the whole path of one of them',
  );

/**
 * Returns the id of the deleted collection that the user named by its name or its path.
 * @throws CliError if no collection, or more than one, matches
 */
export async function resolveInTrash(entities: EntitiesClient, text: string, call: Call): Promise<number> {
  const path = text
    .split('/')
    .filter((name) => name !== '')
    .join('/');
  const matches: Entity[] = [];
  const filters = { search_query: text.split('/').at(-1)?.normalize('NFC').slice(0, MAX_SEARCH), is_collection: true };
  for await (const found of entities.list({ ...filters, only_deleted: true }, call))
    if (sameText(found.label ?? '', text) || sameText(await pathOf(entities, found, call), path)) matches.push(found);
  const [only, ...others] = matches;
  if (only && others.length === 0) return only.id;
  if (only) throw await ambiguous(entities, text, matches, call);
  throw new CliError(
    `There is no collection ${text} in the trash`,
    EXIT.notFound,
    'List it with: cl-client store list --trash',
  );
}

async function candidateText(entities: EntitiesClient, candidates: readonly Entity[], call: Call): Promise<string> {
  const shown = candidates.slice(0, SHOWN_CANDIDATES);
  const texts = await Promise.all(shown.map(async (found) => `${found.id} (${await pathOf(entities, found, call)})`));
  const more = candidates.length - shown.length;
  return texts.join(', ') + (more > 0 ? ` and ${more} more` : '');
}

/** The command that creates the last collection of a path inside of the others. */
function createHint(names: readonly string[]): string {
  const inside = names.slice(0, -1).join('/');
  const name = JSON.stringify(names.at(-1));
  return `Create it with: cl-client store create ${name}${inside ? ` --parent ${JSON.stringify(inside)}` : ''}`;
}

/**
 * Returns the id of the collection that the user named.
 * @param text an id, a name, or a path
 * @param use `parent` if something is to be put into the collection, which the user may want to create first
 * @throws CliError if no collection, or more than one, matches
 */
export async function resolveCollection(
  entities: EntitiesClient,
  text: string,
  call: Call,
  use?: 'parent',
): Promise<number> {
  if (/^\d+$/.test(text)) return Number(text);
  const names = text.split('/').filter((name) => name !== '');
  const [first, ...rest] = names;
  if (first === undefined) throw new CliError(`Invalid collection ${text}: give an id, a name or a path`, EXIT.usage);
  const atTop = text.startsWith('/');
  const like = await collectionsLike(entities, first, call, atTop ? OUTSIDE : undefined);
  const matches = await follow(entities, named(like, first), rest, call);
  // A name may itself contain a slash.
  if (rest.length > 0 && !atTop) matches.push(...named(await collectionsLike(entities, text, call), text));
  const [only, ...others] = matches;
  if (only && others.length === 0) return only.id;
  if (only) throw await ambiguous(entities, text, matches, call);
  const similar = like.filter(({ label }) => rest.length === 0 && label !== null && similarText(label, first));
  throw new CliError(
    `There is no collection ${text}`,
    EXIT.notFound,
    similar.length > 0
      ? `Did you mean ${await candidateText(entities, similar, call)}?`
      : use === 'parent'
        ? createHint(names)
        : 'Files are named by their id, collections also by their name or path',
  );
}
