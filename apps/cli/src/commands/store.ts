import type { Entity } from '@cl-server/client';
import type { Command } from 'commander';
import { group, idOf, integer, leafMaker } from '../command.js';
import type { Context } from '../context.js';
import { userNames } from '../entities/user-names.js';
import { CliError, EXIT } from '../exit-codes.js';
import { bytesText } from '../io/progress.js';
import { entityId, entityIds, forEach, parentId } from '../targets.js';
import { digest } from '../values.js';
import { ENTITY, minuteText, nameOf, timeText } from '../views.js';
import type { World } from '../world.js';
import { registerDeprecated } from './insight.js';
import { registerStoreChange } from './store-change.js';
import { registerStoreFiles } from './store-files.js';
import { addFilters, type FilterOptions, filtersOf } from './store-filters.js';

const entitiesOf = async (context: Context) => (await context.platform()).store.entities;

interface ListOptions extends FilterOptions {
  readonly page?: number;
  readonly pageSize?: number;
  readonly all?: boolean;
}

async function list(context: Context, options: ListOptions): Promise<void> {
  const entities = await entitiesOf(context);
  const filters = await filtersOf(context, options);
  if (options.all) return context.out.many(entities.list(filters, context.call), ENTITY);
  const query = { ...filters, page: options.page, page_size: options.pageSize };
  const page = await entities.page(query, context.call);
  if (context.out.format === 'json') return context.out.one(page);
  const { page: now, total_pages, total_items, total_is_estimate } = page.pagination;
  if (page.items.length === 0 && total_items > 0)
    return context.out.note(`No results on page ${now}; there are ${total_pages} pages`);
  await context.out.many(page.items, ENTITY);
  if (page.items.length === 0) return;
  const next = now < total_pages ? `; next: --page ${now + 1}, or --all` : '';
  context.out.note(`Page ${now} of ${total_pages}, ${total_is_estimate ? 'about ' : ''}${total_items} in all${next}`);
}

/** Shows one entity to a person: with the names of users and of its collection. */
async function readable(context: Context, entity: Entity): Promise<object> {
  const named = await userNames(context);
  const { parent_id, added_by, updated_by, file_size } = entity;
  const parent =
    parent_id === null
      ? undefined
      : await (await entitiesOf(context)).get(parent_id, context.call).catch(() => undefined);
  return {
    ...entity,
    ...(parent && { parent_id: nameOf(parent) }),
    added_by: named(added_by) || null,
    updated_by: named(updated_by) || null,
    ...(file_size !== null && { file_size: `${bytesText(file_size)} (${file_size} bytes)` }),
  };
}

async function get(context: Context, words: string[], { version }: { readonly version?: number }): Promise<void> {
  const ids = await entityIds(context, words);
  const entities = await entitiesOf(context);
  const options = { ...context.call, ...(version !== undefined && { version }) };
  const [only] = ids;
  if (context.out.format === 'human' && ids.length === 1 && only !== undefined)
    return context.out.one(await readable(context, await entities.get(only, options)));
  await forEach(context, ids, (id) => entities.get(id, options), { view: ENTITY });
}

async function lookup(
  context: Context,
  { sha256, md5, label }: { readonly sha256?: string; readonly md5?: string; readonly label?: string },
): Promise<void> {
  const key = sha256 ? { sha256 } : md5 ? { md5 } : label ? { label } : undefined;
  if (!key) throw new CliError('Give --sha256, --md5 or --label', EXIT.usage);
  const entity = await (await entitiesOf(context)).lookup(key, context.call);
  const [name, value] = Object.entries(key)[0] ?? [];
  if (!entity)
    throw new CliError(
      name === 'label' ? `No collection has the label ${value}` : `No file has the ${name} ${value}`,
      EXIT.notFound,
    );
  await context.out.one(context.out.format === 'human' ? await readable(context, entity) : entity, () => entity.id);
}

async function versions(context: Context, word: string): Promise<void> {
  const list = await (await entitiesOf(context)).versions(await entityId(context, word), context.call);
  const named = context.out.format === 'human' ? await userNames(context) : String;
  await context.out.many(list, {
    columns: [
      { title: 'Version', value: ({ version }) => version },
      {
        title: 'When',
        value: ({ updated_date }) => timeText(updated_date),
        shown: ({ updated_date }) => minuteText(updated_date),
        whole: true,
      },
      { title: 'Who', value: ({ updated_by }) => named(updated_by) },
      { title: 'What', value: ({ operation_type }) => operation_type },
      { title: 'Fields', value: ({ changed_fields }) => changed_fields.join(' ') },
    ],
    id: ({ version }) => version,
  });
}

export function register(program: Command, world: World): void {
  const store = group(program, 'store', 'Media and collections');
  store.addHelpText(
    'after',
    '\nInstead of an id, a collection may be given by its name or path (Holidays/2024).\nA dash (-) in place of ids reads a list of ids from standard input.',
  );
  const leaf = leafMaker(store, world);
  addFilters(
    leaf('list', 'List media and collections, newest first').saveable().option('--search <text>', 'text in the label'),
  ).run(list);
  addFilters(leaf('search <text>', 'List media and collections whose label contains a text')).run(
    (context, search, options) => list(context, { ...options, search }),
  );
  leaf('get <ids...>', 'Show media or collections')
    .saveable()
    .option('--version <n>', 'show this version', integer)
    .run(get);
  leaf('lookup', 'Find a file by its digest, or a collection by its label')
    .option('--sha256 <digest>', 'SHA-256 of the file', digest(64))
    .option('--md5 <digest>', 'MD5 of the file', digest(32))
    .option('--label <label>', 'label of the collection')
    .run(lookup);
  leaf('create [label]', 'Create a collection')
    .option('--label <label>', 'same as the argument')
    .deprecatedOption('--collection', 'collection')
    .option('--description <text>', 'description of the collection')
    .option('--parent <collection>', 'create inside this collection: its id, name or path')
    .deprecatedOption('--parent-id <id>', 'parent')
    .run(async (context, given, { label = given, description, parent }) => {
      if (label === undefined) throw new CliError('Give a label', EXIT.usage);
      const entities = await entitiesOf(context);
      const inside = parent === undefined ? null : await parentId(context, parent);
      const fields = { label, description, ...(inside !== null && { parent_id: inside }) };
      await context.out.one(await entities.createCollection(fields, context.call), ENTITY.id);
    });
  registerStoreChange(store, world);
  leaf('versions <id>', 'List the versions: who changed which fields, and when').saveable().run(versions);
  leaf('diff <id> <from> [to]', 'Compare two versions').run(async (context, id, from, to) => {
    const entities = await entitiesOf(context);
    const diff = await entities.diff(
      await entityId(context, id),
      idOf(from),
      to === undefined ? undefined : idOf(to),
      context.call,
    );
    if (context.out.format !== 'human') return context.out.one(diff);
    await context.out.many(diff.changes, {
      columns: [
        { title: 'Field', value: ({ field }) => field },
        { title: `Version ${diff.from_version}`, value: (change) => change.from },
        { title: `Version ${diff.to_version}`, value: (change) => change.to },
      ],
      id: ({ field }) => field,
    });
  });
  leaf('metadata <id>', 'Show all metadata of the file').run(async (context, id) => {
    const metadata = await (await entitiesOf(context)).metadata(await entityId(context, id), context.call);
    await context.out.one(context.out.format === 'human' ? metadata.tags : metadata, () => id);
  });
  registerStoreFiles(store, world);
  registerDeprecated(store, world);
}
