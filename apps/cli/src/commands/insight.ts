import { promises as fsp } from 'node:fs';
import type { Entity, Face, SearchOptions, SearchResult, SimilarityKind } from '@cl-server/client';
import type { Command } from 'commander';
import { count, decimal, group, idOf, integer, type Leaf, leafMaker } from '../command.js';
import type { Context } from '../context.js';
import { CliError, EXIT } from '../exit-codes.js';
import type { View } from '../io/output.js';
import { confirmed } from '../io/prompt.js';
import { seconds } from '../values.js';
import { FACE, timeText } from '../views.js';
import type { World } from '../world.js';

const storeOf = async (context: Context) => (await context.platform()).store;

interface LikeOptions {
  readonly limit?: number;
  readonly threshold?: number;
  readonly by?: SimilarityKind;
  readonly type?: string;
  readonly cursor?: string;
  readonly image?: string;
}

const label = (entity: Entity): string => entity.label ?? entity.file_name ?? '';

const RESULT: View<SearchResult> = {
  columns: [
    { title: 'Score', value: ({ score }) => score.toFixed(3) },
    { title: 'ID', value: ({ entity_id }) => entity_id },
    { title: 'Label', value: ({ entity }) => label(entity) },
    { title: 'Type', value: ({ entity }) => entity.mime_type },
  ],
  id: ({ entity_id }) => entity_id,
};

const searchOptions = ({ limit, threshold, type, cursor }: LikeOptions): SearchOptions => ({
  limit,
  score_threshold: threshold,
  type,
  cursor,
  exclude_deleted: true,
});

const addLikeness = <Args extends readonly unknown[]>(leaf: Leaf<Args>) =>
  leaf
    .option('-l, --limit <n>', 'number of results (default: 20)', count)
    .option('-t, --threshold <n>', 'minimum similarity, 0 to 1', decimal)
    .option('--type <type>', 'only this type, e.g. image')
    .option('--cursor <cursor>', 'cursor of the next page');

const BY_TEXT = 'similar content (clip, default), look (dino), nearly same picture (phash), or a plugin kind';

/** Prints the whole page for programs, and only the results for people. */
async function print<T extends { readonly results: readonly unknown[]; readonly notice?: string | null }, R>(
  { out }: Context,
  page: T,
  results: readonly R[],
  view: View<R>,
): Promise<void> {
  if (out.format === 'json') await out.one(page);
  else await out.many(results, { ...view, whenEmpty: async () => page.notice });
}

async function search(context: Context, words: string[], options: LikeOptions): Promise<void> {
  const { search: finder } = await storeOf(context);
  const query = searchOptions(options);
  const text = words.join(' ');
  if (!text && !options.image) throw new CliError('Give a text, or a picture with --image', EXIT.usage);
  if (text && options.image) throw new CliError('Give a text or --image, not both', EXIT.usage);
  if (options.by && !options.image) throw new CliError('--by needs --image', EXIT.usage);
  const page = options.image
    ? await finder.picture(options.image, { ...query, by: options.by }, context.call)
    : await finder.text(text, query, context.call);
  await print(context, page, page.results, RESULT);
}

async function similar(context: Context, id: string, options: LikeOptions): Promise<void> {
  const { search: finder } = await storeOf(context);
  const page = await finder.similar(idOf(id), { ...searchOptions(options), by: options.by }, context.call);
  await print(context, page, page.results, RESULT);
}

async function similarFaces(context: Context, id: string, options: LikeOptions): Promise<void> {
  const page = await (await storeOf(context)).search.similarFaces(idOf(id), searchOptions(options), context.call);
  await print(context, page, page.results, {
    columns: [
      { title: 'Score', value: ({ score }) => score.toFixed(3) },
      { title: 'Face', value: ({ face_id }) => face_id },
      { title: 'Person', value: ({ known_person_id }) => known_person_id },
      { title: 'In', value: ({ entity }) => `${entity.id} ${label(entity)}` },
    ],
    id: ({ face_id }) => face_id,
  });
}

async function duplicates(context: Context, { distance }: { readonly distance?: number }): Promise<void> {
  const groups = (await storeOf(context)).search.duplicates({ distance }, context.call);
  await context.out.many(groups, {
    columns: [
      { title: 'Keep', value: ({ best_entity_id }) => best_entity_id },
      {
        title: 'Others',
        value: ({ entities, best_entity_id }) =>
          entities.flatMap(({ id }) => (id === best_entity_id ? [] : [id])).join(' '),
      },
      { title: 'Alike', value: ({ similarity }) => similarity.toFixed(3) },
    ],
    id: ({ entities, best_entity_id }) => entities.flatMap(({ id }) => (id === best_entity_id ? [] : [id])).join('\n'),
  });
}

async function saveVector(
  context: Context,
  download: (dest: string) => Promise<{ readonly path: string }>,
  dest: string,
): Promise<void> {
  const saved = await download(dest);
  if (context.out.format === 'human') context.out.success(saved.path);
  else await context.out.one(saved, ({ path }) => path);
}

async function wait(context: Context, id: string, { timeout = 60 }: { readonly timeout?: number }): Promise<void> {
  const { intelligence } = await storeOf(context);
  const result = await intelligence.completed(idOf(id), {
    signal: context.signal,
    timeoutMs: timeout * 1000,
    onProgress: ({ overall_status }) => context.out.note(`${id}: ${overall_status}`),
  });
  await context.out.one(result, ({ overall_status }) => overall_status);
}

const printIntelligence = async (context: Context, id: string): Promise<void> =>
  context.out.one(await (await storeOf(context)).intelligence.get(idOf(id), context.call));

const printEntityJobs = async (context: Context, id: string): Promise<void> =>
  context.out.many(await (await storeOf(context)).intelligence.jobs(idOf(id), context.call), {
    columns: [
      { title: 'Job', value: ({ job_id }) => job_id },
      { title: 'Task', value: ({ task_type }) => task_type },
      { title: 'Status', value: ({ status }) => status },
      { title: 'Started', value: ({ started_at }) => timeText(started_at) },
      { title: 'Error', value: ({ error_message }) => error_message },
    ],
    id: ({ job_id }) => job_id,
  });

const addEmbedding = (leaf: Leaf<[string]>) =>
  leaf
    .option('--by <kind>', 'kind of vector: clip (default), dino, or the kind of a plugin')
    .option('-o, --output <path>', 'path of the saved file')
    .run(async (context, id, { by = 'clip', output }) => {
      const { intelligence } = await storeOf(context);
      const get = (dest: string) => intelligence.downloadEmbedding(idOf(id), by, dest, context.call);
      await saveVector(context, get, output ?? `${id}.${by}.npy`);
    });

function registerEntity(program: Command, world: World): void {
  const leaf = leafMaker(group(program, 'entity', 'Insight into one entity'), world);
  leaf('wait <id>', 'Wait until the insight is complete')
    .option('-t, --timeout <seconds>', 'maximum wait (default: 60)', seconds)
    .run(wait);
  leaf('status <id>', 'Show the state of the insight').saveable().run(printIntelligence);
  leaf('retry <id>', 'Retry failed insight').run(async (context, id) =>
    context.out.one(await (await storeOf(context)).intelligence.retry(idOf(id), context.call)),
  );
  leaf('results <id>', 'Show the results of insights that plugins add').run(async (context, id) =>
    context.out.one(await (await storeOf(context)).intelligence.results(idOf(id), context.call)),
  );
  leaf('jobs <id>', 'List the insight jobs of an entity').run(printEntityJobs);
  addEmbedding(leaf('embedding <id>', 'Download the vector of an entity as .npy'));
}

function registerFaces(program: Command, world: World): void {
  const leaf = leafMaker(group(program, 'faces', 'Faces in pictures'), world);
  leaf('list <entity-id>', 'List the faces of an entity').run(async (context, id) => {
    const { intelligence } = await storeOf(context);
    await context.out.many<Face>(await intelligence.faces(idOf(id), context.call), {
      ...FACE,
      whenEmpty: async () => {
        const state = await intelligence.get(idOf(id), context.call);
        if (state?.inference_status.face_detection === 'completed') return 'No faces were found';
        return state?.notice ?? 'Face detection has not finished yet; see "cl-client entity status"';
      },
    });
  });
  addLikeness(leaf('similar <face-id>', 'Find faces similar to this one')).alias('matches').run(similarFaces);
  leaf('download-embedding <face-id>', 'Download the vector of a face as .npy')
    .option('-o, --output <path>', 'path of the saved file')
    .run(async (context, id, { output }) => {
      const { intelligence } = await storeOf(context);
      const get = (dest: string) => intelligence.downloadFaceEmbedding(idOf(id), dest, context.call);
      await saveVector(context, get, output ?? `face_${id}.npy`);
    });
  leaf('move <face-id> <person-id>', 'Assign a face to a person; none: to no person').run(
    async (context, face, person) => {
      const { persons } = await storeOf(context);
      const moved = await persons.moveFace(idOf(face), person === 'none' ? null : idOf(person), context.call);
      await context.out.one(moved, FACE.id);
    },
  );
  addDeleteFace(leaf('delete <face-id>', 'Delete a face'), world);
}

const addDeleteFace = (leaf: Leaf<[string]>, world: World) =>
  leaf.option('-y, --yes', 'do not ask for confirmation').run(async (context, id, { yes = false }) => {
    await confirmed(world, `Delete the face ${id}?`, yes);
    await (await storeOf(context)).intelligence.deleteFace(idOf(id), context.call);
    context.out.success(`Deleted the face ${id}`);
  });

/** Registers the former names of some of these commands under `store` (see docs/compatibility.md). */
export function registerDeprecated(store: Command, world: World): void {
  const leaf = leafMaker(store, world);
  leaf('intelligence <id>', 'Same as entity status').saveable().run(printIntelligence);
  leaf('jobs <id>', 'Same as entity jobs').run(printEntityJobs);
  addDeleteFace(
    leafMaker(group(store, 'face', 'Former name of faces'), world)('delete <face-id>', 'Same as faces delete'),
    world,
  );
}

export function register(program: Command, world: World): void {
  const leaf = leafMaker(program, world);
  addLikeness(leaf('search [words...]', 'Find pictures and videos that match a text'))
    .option('--image <path>', 'find entities similar to this picture')
    .option('--by <kind>', BY_TEXT)
    .run(async (context, words, options) => {
      if (options.image && !/^https?:/i.test(options.image))
        await fsp.access(options.image).catch(() => {
          throw new CliError(`${options.image}: no such file`, EXIT.badInput);
        });
      await search(context, words, options);
    });
  addLikeness(leaf('similar <entity-id>', 'Find entities similar to this one'))
    .option('--by <kind>', BY_TEXT)
    .run(similar);
  addLikeness(
    leafMaker(group(program, 'images', 'Former names of similar and entity embedding'), world)(
      'similar <entity-id>',
      'Find entities similar to this one',
    ),
  )
    .option('--by <kind>', BY_TEXT)
    // The option has no effect: details are always included.
    .deprecatedOption('--details', 'details')
    .run(similar);
  addEmbedding(
    leafMaker(group(program, 'images', ''), world)(
      'download-embedding <id>',
      'Download the vector of an entity as .npy',
    ),
  );
  leaf('duplicates', 'List groups of near-duplicate pictures and the best one of each')
    .option('--distance <bits>', 'number of the 64 hash bits that may differ (default: 6)', integer)
    .run(duplicates);
  registerEntity(program, world);
  registerFaces(program, world);
}
