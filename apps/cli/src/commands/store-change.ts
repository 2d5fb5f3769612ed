/** Commands that change, delete and restore entities. */
import type { EntitiesClient, Entity } from '@cl-server/client';
import type { Command } from 'commander';
import { integer, leafMaker } from '../command.js';
import type { Context } from '../context.js';
import { type Contents, contentsOf, contentsText } from '../entities/contents.js';
import { pathOf } from '../entities/resolve-collection.js';
import { CliError, EXIT } from '../exit-codes.js';
import { confirmed } from '../io/prompt.js';
import { entityIds, forEach, parentId } from '../targets.js';
import { ENTITY, nameOf } from '../views.js';
import type { World } from '../world.js';

const entitiesOf = async (context: Context): Promise<EntitiesClient> => (await context.platform()).store.entities;

interface UpdateOptions {
  readonly label?: string;
  readonly description?: string;
  readonly parent?: string;
  readonly clear?: string;
  readonly delete?: boolean;
  readonly restore?: boolean;
  readonly file?: string;
}

const FIELDS: Readonly<Record<string, string>> = { label: 'label', description: 'description', parent: 'parent_id' };

/** The fields to change. @throws CliError if there is none */
async function changeOf(context: Context, options: UpdateOptions) {
  const change: Record<string, string | number | boolean | null | undefined> = {
    label: options.label,
    description: options.description,
    ...(options.parent !== undefined && { parent_id: await parentId(context, options.parent) }),
    ...(options.delete && { is_deleted: true }),
    ...(options.restore && { is_deleted: false }),
  };
  for (const word of (options.clear ?? '').split(',').filter(Boolean)) {
    const field = FIELDS[word.trim()];
    if (!field) throw new CliError(`--clear accepts label, description and parent, not ${word}`, EXIT.usage);
    change[field] = null;
  }
  if (Object.values(change).every((value) => value === undefined) && options.file === undefined)
    throw new CliError('No change was given', EXIT.usage, 'Use --label, --description, --parent, --clear or --file');
  return change;
}

/** Replaces the file of an entity and keeps its other fields. */
async function replaceFile(entities: EntitiesClient, id: number, file: string, context: Context): Promise<Entity> {
  const { label, description, parent_id, file_name } = await entities.get(id, context.call);
  const fields = {
    label: label ?? file_name ?? String(id),
    ...(description !== null && { description }),
    ...(parent_id !== null && { parent_id }),
  };
  return entities.replace(id, { ...fields, file, ...context.call });
}

async function update(context: Context, words: string[], options: UpdateOptions): Promise<void> {
  const ids = await entityIds(context, words);
  const { file } = options;
  if (file !== undefined && ids.length > 1) throw new CliError('--file can be used with one id only', EXIT.usage);
  const change = await changeOf(context, options);
  const hasFields = Object.values(change).some((value) => value !== undefined);
  const entities = await entitiesOf(context);
  const work = async (id: number): Promise<Entity> => {
    // The fields first: the replacement sends them again as they are then.
    const changed = hasFields ? await entities.patch(id, change, context.call) : undefined;
    if (file !== undefined) return replaceFile(entities, id, file, context);
    return changed ?? entities.get(id, context.call);
  };
  await forEach(context, ids, work, {
    view: ENTITY,
    ...(ids.length > 1 && { told: (entity: Entity) => `Changed ${nameOf(entity)}` }),
  });
}

/** The question before something is deleted permanently. It names what would be lost. */
async function question(context: Context, entities: readonly Entity[]): Promise<string> {
  const { entities: client } = (await context.platform()).store;
  const counts: Contents = { files: 0, collections: 0 };
  for (const entity of entities) {
    if (!entity.is_collection) continue;
    const inside = await contentsOf(client, entity.id, context.call);
    counts.files += inside.files;
    counts.collections += inside.collections;
  }
  const inside = contentsText(counts);
  const names = entities.slice(0, 5).map(nameOf).join(', ');
  const more = entities.length > 5 ? ` and ${entities.length - 5} more` : '';
  return `Permanently delete ${names}${more}${inside ? `, with ${inside} inside` : ''}?`;
}

interface DeleteOptions {
  readonly permanently?: boolean;
  readonly yes?: boolean;
}

async function remove(context: Context, words: string[], { permanently, yes = false }: DeleteOptions): Promise<void> {
  const ids = await entityIds(context, words);
  const entities = await entitiesOf(context);
  if (!permanently) {
    await forEach(context, ids, (id) => entities.trash(id, context.call), {
      view: ENTITY,
      told: (entity) => `Moved to the trash: ${nameOf(entity)}`,
    });
    context.out.note(`Restore with: cl-client store restore ${ids.length > 5 ? '<ids...>' : ids.join(' ')}`);
    return;
  }
  if (!yes) {
    const found: Entity[] = [];
    for (const id of ids) found.push(await entities.get(id, context.call));
    await confirmed(context.world, await question(context, found), false);
  }
  const work = async (id: number): Promise<Entity> => {
    const entity = await entities.get(id, context.call);
    await entities.delete(id, context.call);
    return entity;
  };
  await forEach(context, ids, work, { view: ENTITY, told: (entity) => `Permanently deleted ${nameOf(entity)}` });
}

async function restore(context: Context, words: string[], { version }: { readonly version?: number }): Promise<void> {
  const ids = await entityIds(context, words, { inTrash: version === undefined });
  if (version !== undefined && ids.length > 1) throw new CliError('--version can be used with one id only', EXIT.usage);
  const entities = await entitiesOf(context);
  const live = new Set<number>();
  const work = async (id: number): Promise<Entity> => {
    if (version !== undefined) return entities.restoreVersion(id, version, context.call);
    const entity = await entities.get(id, context.call);
    if (entity.is_deleted) return entities.restore(id, context.call);
    if (entity.is_indirectly_deleted)
      throw new CliError(
        `${nameOf(entity)} is in the trash with its collection: ${await pathOf(entities, entity, context.call)}`,
        EXIT.conflict,
        'Restore the collection, or move the item with: cl-client store update --parent',
      );
    live.add(id);
    return entity;
  };
  const what = version === undefined ? 'Restored' : `Restored version ${version} of`;
  const told = (entity: Entity): string =>
    live.has(entity.id) ? `${nameOf(entity)} is not in the trash` : `${what} ${nameOf(entity)}`;
  await forEach(context, ids, work, { view: ENTITY, told });
}

export function registerStoreChange(store: Command, world: World): void {
  const leaf = leafMaker(store, world);
  leaf('update <ids...>', 'Change only the given fields')
    .alias('patch')
    .option('--label <label>', 'a new label')
    .option('--description <text>', 'a new description')
    .option('--parent <collection>', 'move to this collection: its id, name or path; 0 for outside of collections')
    .deprecatedOption('--parent-id <id>', 'parent')
    .option('--clear <fields>', 'clear these fields: label, description, parent')
    .option('--file <path>', 'replace the file; the earlier one stays in the versions')
    .deprecatedOption('--collection', 'collection')
    .deprecatedOption('--delete', 'delete')
    .deprecatedOption('--restore', 'restore')
    .run(update);
  leaf('delete <ids...>', 'Move items to the trash, or delete them permanently')
    .option('--permanently', 'delete for good, with everything inside; items in the trash, too')
    .option('-y, --yes', 'with --permanently: do not ask for confirmation')
    .deprecatedOption('--trash', 'trash')
    .run(remove);
  leaf('restore <ids...>', 'Restore items from the trash, or a version of an item')
    .option('--version <n>', 'restore this version', integer)
    .run(restore);
}
