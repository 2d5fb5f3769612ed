/** The inputs of a task: local files, web addresses, and entities of the store. */
import path from 'node:path';
import type { Entity, FileInput } from '@cl-server/client';
import type { Context } from '../context.js';
import { downloadPlan, fileNameOf } from '../files/download-plan.js';
import { type ExpandOptions, expandInputs, type InputFile } from '../files/inputs.js';
import { entityId } from '../targets.js';

/** One input of a task. */
export interface TaskInput {
  /** The name that messages show, and below which the result is saved. */
  readonly name: string;
  /** The base name of the saved result; default: the name of the input. */
  readonly fileName?: string;
  /** Returns the file when the job is created; absent if the task has no file. */
  readonly open?: () => Promise<FileInput>;
  readonly params?: Readonly<Record<string, unknown>>;
}

const isWeb = (source: string): boolean => /^https?:\/\//i.test(source);

/** The folder that contains all of these folders. */
function commonFolder(folders: readonly string[]): string {
  const [first = [], ...others] = folders.map((folder) => folder.split(path.sep));
  const differs = first.findIndex((name, i) => others.some((other) => other[i] !== name));
  return (differs < 0 ? first : first.slice(0, differs)).join(path.sep) || path.sep;
}

/** Returns a name for each file: its path below the folder that all of them have in common, so that folders stay apart. */
export function resultPaths(files: readonly InputFile[]): string[] {
  const local = files.filter(({ source }) => !isWeb(source));
  // The name is the end of the path: the beginning is the folder that the user named.
  const roots = local.map(({ source, name }) => {
    const whole = path.resolve(source);
    const end = path.sep + name.split('/').join(path.sep);
    return whole.endsWith(end) ? whole.slice(0, -end.length) : path.dirname(whole);
  });
  const common = roots.length === 0 ? '' : commonFolder(roots);
  return files.map(({ source, name }) =>
    isWeb(source) ? name : path.relative(common, path.resolve(source)).split(path.sep).join('/'),
  );
}

/** The file of an entity, which the store hands out under an address that is valid for a short time. */
async function fileOf(context: Context, entity: Entity): Promise<FileInput> {
  const { media } = await (await context.platform()).store.media.signedUrls(entity.id, context.call);
  const name = fileNameOf(entity);
  return { data: new URL(media), name, ...(entity.mime_type !== null && { type: entity.mime_type }) };
}

async function entityInputs(context: Context, references: readonly string[]): Promise<TaskInput[]> {
  const { entities } = (await context.platform()).store;
  const roots: Entity[] = [];
  for (const reference of references) roots.push(await entities.get(await entityId(context, reference), context.call));
  const inputs: TaskInput[] = [];
  for await (const { entity, name } of downloadPlan(entities, roots, context.call))
    inputs.push({ name, open: () => fileOf(context, entity) });
  return inputs;
}

const ENTITY_WORD = /^entity:(.+)$/s;

/**
 * Returns the inputs that were given as arguments: files, folders, wildcards, addresses, `entity:27` or `entity:Holidays`,
 * and those of the option `--entity`.
 */
export async function taskInputs(
  context: Context,
  words: readonly string[],
  entities: readonly string[] = [],
  options: ExpandOptions = {},
): Promise<TaskInput[]> {
  const references = [...words.flatMap((word) => ENTITY_WORD.exec(word)?.[1] ?? []), ...entities];
  const files = await expandInputs(
    words.filter((word) => !ENTITY_WORD.test(word)),
    context.world.stdin,
    options,
  );
  const names = resultPaths(files);
  const local = files.map(({ source, name }, i) => ({ name: names[i] ?? name, open: async () => source }));
  return [...local, ...(references.length > 0 ? await entityInputs(context, references) : [])];
}
