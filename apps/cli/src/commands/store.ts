import type { Command } from 'commander';
import { collectFailures } from '../collect-failures.js';
import { count, group, idOf, integer, type Leaf, leafMaker } from '../command.js';
import type { Context } from '../context.js';
import { CliError, EXIT } from '../exit-codes.js';
import { confirmed } from '../io/prompt.js';
import { moment } from '../moment.js';
import { ENTITY, timeText } from '../views.js';
import type { World } from '../world.js';
import { registerDeprecated } from './insight.js';
import { registerStoreFiles } from './store-files.js';

const entitiesOf = async (context: Context) => (await context.platform()).store.entities;

interface ListOptions {
  readonly page?: number;
  readonly pageSize?: number;
  readonly all?: boolean;
  readonly search?: string;
  readonly type?: string;
  readonly mimeType?: string;
  readonly parent?: number;
  readonly collections?: boolean;
  readonly media?: boolean;
  readonly deleted?: boolean;
  readonly md5?: string;
  readonly sha256?: string;
  readonly width?: number;
  readonly height?: number;
  readonly minSize?: number;
  readonly maxSize?: number;
  readonly from?: string;
  readonly to?: string;
  readonly version?: number;
}

const filtersOf = (options: ListOptions) => ({
  search_query: options.search,
  type: options.type,
  mime_type: options.mimeType,
  parent_id: options.parent,
  is_collection: options.collections ? true : options.media ? false : undefined,
  exclude_deleted: !options.deleted,
  md5: options.md5,
  sha256: options.sha256,
  width: options.width,
  height: options.height,
  file_size_min: options.minSize,
  file_size_max: options.maxSize,
  date_from: moment('from', options.from),
  date_to: moment('to', options.to),
  version: options.version,
});

/** Adds the options of `store list` and `store search`. */
const addFilters = <Args extends readonly unknown[], T extends object>(leaf: Leaf<Args, T>) =>
  leaf
    .option('--page <n>', 'page number (default: 1)', count)
    .option('--page-size <n>', 'entities per page, at most 100 (default: 20)', count)
    .option('--all', 'list all pages')
    .option('--type <type>', 'only this type: image, video, audio, text or file')
    .option('--mime-type <type>', 'only this exact media type')
    .option('--parent <id>', 'only in this collection; 0: outside of collections', integer)
    .option('--collections', 'only collections')
    .option('--media', 'only media')
    .option('--deleted', 'include entities in the trash')
    .option('--md5 <digest>', 'only this content')
    .option('--sha256 <digest>', 'only this content')
    .option('--width <px>', 'only this exact width', integer)
    .option('--height <px>', 'only this exact height', integer)
    .option('--min-size <bytes>', 'only files of at least this size', integer)
    .option('--max-size <bytes>', 'only files of at most this size', integer)
    .option('--from <date>', 'added at this local time or later: 2026-01-31 or "2026-01-31 17:05"')
    .option('--to <date>', 'added at this local time or earlier')
    .option('--version <n>', 'show this version of each entity', integer);

async function list(context: Context, options: ListOptions): Promise<void> {
  const entities = await entitiesOf(context);
  const filters = filtersOf(options);
  if (options.all) return context.out.many(entities.list(filters, context.call), ENTITY);
  const query = { ...filters, page: options.page, page_size: options.pageSize };
  const page = await entities.page(query, context.call);
  if (context.out.format === 'json') return context.out.one(page);
  await context.out.many(page.items, ENTITY);
  const { page: now, total_pages, total_items, total_is_estimate } = page.pagination;
  context.out.note(`page ${now} of ${total_pages}, ${total_is_estimate ? 'about ' : ''}${total_items} in all`);
}

interface FieldOptions {
  readonly label?: string;
  readonly description?: string;
  readonly parent?: number;
}

interface PatchOptions extends FieldOptions {
  readonly clear?: string;
  readonly delete?: boolean;
  readonly restore?: boolean;
}

interface UpdateOptions extends FieldOptions {
  readonly collection?: boolean;
  readonly file?: string;
}

async function patch(context: Context, id: string, options: PatchOptions): Promise<void> {
  const change: Record<string, unknown> = {
    label: options.label,
    description: options.description,
    parent_id: options.parent,
  };
  for (const field of (options.clear ?? '').split(',').filter(Boolean)) {
    const name = field === 'parent' ? 'parent_id' : field;
    if (!(name in change))
      throw new CliError(`--clear accepts label, description and parent, not ${field}`, EXIT.usage);
    change[name] = null;
  }
  if (options.delete) change.is_deleted = true;
  if (options.restore) change.is_deleted = false;
  if (Object.values(change).every((value) => value === undefined))
    throw new CliError('No change was given', EXIT.usage);
  await context.out.one(await (await entitiesOf(context)).patch(idOf(id), change, context.call), ENTITY.id);
}

async function update(context: Context, id: string, options: UpdateOptions): Promise<void> {
  if (options.label === undefined)
    throw new CliError('--label is required: update clears every field that is not given', EXIT.usage);
  const { label, description, parent: parent_id, file } = options;
  const is_collection = options.collection === true;
  const entity = { label, description, parent_id, is_collection, file };
  await context.out.one(await (await entitiesOf(context)).replace(idOf(id), { ...entity, ...context.call }), ENTITY.id);
}

async function remove(
  context: Context,
  ids: string[],
  { yes = false, trash }: { readonly yes?: boolean; readonly trash?: boolean },
): Promise<void> {
  const entities = await entitiesOf(context);
  if (!trash) await confirmed(context.world, `Permanently delete ${ids.length}, with everything in it?`, yes);
  const failures = collectFailures(context, ids.length === 1);
  for (const id of ids)
    await failures.guard(id, async () => {
      if (trash) await entities.trash(idOf(id), context.call);
      else await entities.delete(idOf(id), context.call);
      context.out.success(`${trash ? 'Moved to the trash' : 'Deleted'} ${id}`);
    });
  failures.finish(ids.length);
}

export function register(program: Command, world: World): void {
  const store = group(program, 'store', 'Media and collections');
  const leaf = leafMaker(store, world);
  addFilters(leaf('list', 'List entities, newest first').saveable().option('--search <text>', 'text in the label')).run(
    list,
  );
  addFilters(leaf('search <text>', 'List entities whose label contains a text')).run((context, search, options) =>
    list(context, { ...options, search }),
  );
  leaf('get <id>', 'Show one entity')
    .saveable()
    .option('--version <n>', 'show this version', integer)
    .run(async (context, id, { version }) => {
      const options = { ...context.call, ...(version !== undefined && { version }) };
      await context.out.one(await (await entitiesOf(context)).get(idOf(id), options), ENTITY.id);
    });
  leaf('lookup', 'Find an entity by its digest, or a collection by its label')
    .option('--sha256 <digest>', 'SHA-256 of the bytes')
    .option('--md5 <digest>', 'MD5 of the bytes')
    .option('--label <label>', 'label of the collection')
    .run(async (context, { sha256, md5, label }) => {
      const key = sha256 ? { sha256 } : md5 ? { md5 } : label ? { label } : undefined;
      if (!key) throw new CliError('Give --sha256, --md5 or --label', EXIT.usage);
      const entity = await (await entitiesOf(context)).lookup(key, context.call);
      if (!entity) throw new CliError('Entity not found', EXIT.notFound);
      await context.out.one(entity, ENTITY.id);
    });
  leaf('create [label]', 'Create a collection')
    .option('--label <label>', 'same as the argument')
    .option('--collection', 'has no effect: a collection is created')
    .option('--description <text>', 'description of the collection')
    .option('--parent <id>', 'create inside this collection', integer)
    .deprecatedOption('--parent-id <id>', 'parent', integer)
    .run(async (context, given, { label = given, description, parent: parent_id }) => {
      if (label === undefined) throw new CliError('Give a label', EXIT.usage);
      const entities = await entitiesOf(context);
      const collection = await entities.createCollection({ label, description, parent_id }, context.call);
      await context.out.one(collection, ENTITY.id);
    });
  leaf('update <id>', 'Replace label, description and parent, and optionally the file')
    .option('--label <label>', 'new label (required)')
    .option('--description <text>', 'new description (default: none)')
    .option('--parent <id>', 'new parent collection (default: none)', integer)
    .deprecatedOption('--parent-id <id>', 'parent', integer)
    .option('--collection', 'the entity is a collection')
    .option('--file <path>', 'a new file')
    .run(update);
  leaf('patch <id>', 'Change only the given fields')
    .option('--label <label>', 'a new label')
    .option('--description <text>', 'a new description')
    .option('--parent <id>', 'move to this collection', integer)
    .deprecatedOption('--parent-id <id>', 'parent', integer)
    .option('--clear <fields>', 'clear these fields: label, description, parent')
    .option('--delete', 'move to the trash')
    .option('--restore', 'restore from the trash')
    .run(patch);
  leaf('delete <ids...>', 'Delete permanently')
    .option('--trash', 'only move to the trash')
    .option('-y, --yes', 'do not ask for confirmation')
    .run(remove);
  leaf('restore <id>', 'Restore from the trash, or restore a version')
    .option('--version <n>', 'restore this version', integer)
    .run(async (context, id, { version }) => {
      const entities = await entitiesOf(context);
      const entity =
        version === undefined
          ? await entities.restore(idOf(id), context.call)
          : await entities.restoreVersion(idOf(id), version, context.call);
      await context.out.one(entity, ENTITY.id);
    });
  leaf('versions <id>', 'List the versions: who changed which fields, and when')
    .saveable()
    .run(async (context, id) =>
      context.out.many(await (await entitiesOf(context)).versions(idOf(id), context.call), {
        columns: [
          { title: 'Version', value: ({ version }) => version },
          { title: 'When', value: ({ updated_date }) => timeText(updated_date) },
          { title: 'Who', value: ({ updated_by }) => updated_by },
          { title: 'What', value: ({ operation_type }) => operation_type },
          { title: 'Fields', value: ({ changed_fields }) => changed_fields.join(' ') },
        ],
        id: ({ version }) => version,
      }),
    );
  leaf('diff <id> <from> [to]', 'Compare two versions').run(async (context, id, from, to) => {
    const entities = await entitiesOf(context);
    const diff = await entities.diff(idOf(id), idOf(from), to === undefined ? undefined : idOf(to), context.call);
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
    const metadata = await (await entitiesOf(context)).metadata(idOf(id), context.call);
    await context.out.one(context.out.format === 'human' ? metadata.tags : metadata, () => id);
  });
  registerStoreFiles(store, world);
  registerDeprecated(store, world);
}
