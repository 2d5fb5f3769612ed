import { promises as fsp } from 'node:fs';
import path from 'node:path';
import type {
  Downloaded,
  DuplicateGroup,
  Entity,
  Face,
  SearchOptions,
  SearchResult,
  SimilarityKind,
} from '@cl-server/client';
import type { Command } from 'commander';
import { count, decimal, group, hide, idOf, integer, type Leaf, leafMaker } from '../command.js';
import type { Context } from '../context.js';
import { faceView, personId, personNames } from '../entities/persons.js';
import { CliError, EXIT } from '../exit-codes.js';
import { destination, mayWrite } from '../files/destination.js';
import type { View } from '../io/output.js';
import { confirmed } from '../io/prompt.js';
import type { Column } from '../io/table.js';
import { entityId, entityIds, forEach, wordsOf } from '../targets.js';
import { seconds } from '../values.js';
import { FACE, labelOf, minuteText, nameOf, shortId, timeText } from '../views.js';
import type { World } from '../world.js';
import { MEDIA_TYPES } from './store-filters.js';

const storeOf = async (context: Context) => (await context.platform()).store;

/** More ids than these are not listed in a command. */
const MAX_IDS_IN_COMMAND = 50;

interface LikeOptions {
  readonly limit?: number;
  readonly threshold?: number;
  readonly by?: SimilarityKind;
  readonly type?: string;
  readonly cursor?: string;
  readonly image?: string;
}

const RESULT: View<SearchResult> = {
  columns: [
    { title: 'Score', value: ({ score }) => score.toFixed(3) },
    { title: 'ID', value: ({ entity_id }) => entity_id },
    { title: 'Label', value: ({ entity }) => labelOf(entity) },
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
    .choice('--type <type>', 'only this type', MEDIA_TYPES)
    .option('--cursor <cursor>', 'cursor of the next page');

const BY_TEXT =
  'compare by content (clip, default), appearance (dino), near-identical image (phash), or a kind of a plugin';

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
  if (!text && !options.image) throw new CliError('Give a text, or an image with --image', EXIT.usage);
  if (text && options.image) throw new CliError('Give a text or --image, not both', EXIT.usage);
  if (options.by && !options.image) throw new CliError('--by needs --image', EXIT.usage);
  const page = options.image
    ? await finder.picture(options.image, { ...query, by: options.by }, context.call)
    : await finder.text(text, query, context.call);
  await print(context, page, page.results, RESULT);
}

async function similar(context: Context, id: string, options: LikeOptions): Promise<void> {
  const { search: finder } = await storeOf(context);
  const page = await finder.similar(
    await entityId(context, id),
    { ...searchOptions(options), by: options.by },
    context.call,
  );
  await print(context, page, page.results, RESULT);
}

async function similarFaces(context: Context, id: string, options: LikeOptions): Promise<void> {
  const page = await (await storeOf(context)).search.similarFaces(idOf(id), searchOptions(options), context.call);
  const named = await personNames(
    context,
    context.out.format === 'human' ? page.results.map(({ known_person_id }) => known_person_id) : [],
  );
  await print(context, page, page.results, {
    columns: [
      { title: 'Score', value: ({ score }) => score.toFixed(3) },
      { title: 'Face', value: ({ face_id }) => face_id },
      { title: 'Person', value: ({ known_person_id }) => named(known_person_id) },
      { title: 'In', value: ({ entity }) => `${entity.id} ${labelOf(entity)}` },
    ],
    id: ({ face_id }) => face_id,
  });
}

/** The entities of a group of near duplicates except the best one. */
const othersOf = ({ entities, best_entity_id }: DuplicateGroup): readonly Entity[] =>
  entities.filter(({ id }) => id !== best_entity_id);

async function duplicates(context: Context, { distance }: { readonly distance?: number }): Promise<void> {
  const { out } = context;
  const groups: DuplicateGroup[] = [];
  for await (const group of (await storeOf(context)).search.duplicates({ distance }, context.call)) groups.push(group);
  const best = ({ entities, best_entity_id }: DuplicateGroup): string => {
    const entity = entities.find(({ id }) => id === best_entity_id);
    return entity ? nameOf(entity) : String(best_entity_id);
  };
  await out.many(groups, {
    columns: [
      { title: 'Keep', value: best },
      { title: 'Others', value: (group) => othersOf(group).map(nameOf).join(', ') },
      { title: 'Similarity', value: ({ similarity }) => similarity.toFixed(3), whole: true },
    ],
    id: (group) =>
      othersOf(group)
        .map(({ id }) => id)
        .join('\n'),
  });
  const ids = groups.flatMap(othersOf).map(({ id }) => id);
  if (ids.length > 0 && ids.length <= MAX_IDS_IN_COMMAND)
    out.note(`Move the others to the trash with: cl-client store delete ${ids.join(' ')}`);
  else if (ids.length > 0)
    out.note('Move the others to the trash with: cl-client duplicates --quiet | cl-client store delete -');
}

interface SaveVectorOptions {
  readonly output?: string;
  readonly overwrite?: boolean;
}

/** Saves vectors: one to the path that was given, several into the folder that was given. */
async function saveVectors(
  context: Context,
  ids: readonly number[],
  nameOfFile: (id: number) => string,
  download: (id: number, dest: string) => Promise<Downloaded>,
  { output = '.', overwrite }: SaveVectorOptions,
): Promise<void> {
  const save = async (id: number): Promise<Downloaded> => {
    const name = nameOfFile(id);
    const dest = ids.length > 1 ? path.join(output, name) : await destination(output, name);
    await mayWrite(context, dest, { overwrite });
    return download(id, dest);
  };
  const columns = [{ title: 'File', value: (saved: Downloaded) => saved.path }];
  await forEach(context, ids, save, { view: { columns, id: (saved) => saved.path }, told: (saved) => saved.path });
}

interface AnalysisState {
  readonly overall_status: string;
  readonly inference_status: Readonly<Record<string, unknown>>;
}

/** How far the analysis of an entity is. */
const ANALYSIS: readonly Column<AnalysisState>[] = [
  { title: 'State', value: ({ overall_status }) => overall_status },
  {
    title: 'Parts',
    value: ({ inference_status }) =>
      Object.entries(inference_status)
        .map(([part, state]) => `${part} ${String(state)}`)
        .join(', '),
  },
];

async function wait(context: Context, words: string[], { timeout = 60 }: { readonly timeout?: number }): Promise<void> {
  const { intelligence } = await storeOf(context);
  const completed = (id: number) =>
    intelligence.completed(id, {
      signal: context.signal,
      timeoutMs: timeout * 1000,
      onProgress: ({ overall_status }) => context.out.note(`${id}: ${overall_status}`),
    });
  await forEach(context, await entityIds(context, words), completed, {
    view: { columns: ANALYSIS, id: ({ overall_status }) => overall_status },
  });
}

/** The state before anything was analysed. */
const NOTHING_YET = { overall_status: 'nothing yet', inference_status: {} };

async function printIntelligence(context: Context, words: string[]): Promise<void> {
  const { intelligence } = await storeOf(context);
  const ids = await entityIds(context, words);
  const [only] = ids;
  // For a single entity, programs get null.
  if (ids.length === 1 && only !== undefined && context.out.format !== 'human')
    return context.out.one(await intelligence.get(only, context.call), (state) => state?.overall_status);
  const work = async (id: number): Promise<AnalysisState & { readonly entity_id: number }> => ({
    entity_id: id,
    ...((await intelligence.get(id, context.call)) ?? NOTHING_YET),
  });
  await forEach(context, ids, work, {
    view: {
      columns: [{ title: 'ID', value: ({ entity_id }) => entity_id }, ...ANALYSIS],
      id: ({ overall_status }) => overall_status,
    },
  });
}

async function printEntityJobs(context: Context, word: string): Promise<void> {
  const { intelligence } = await storeOf(context);
  await context.out.many(await intelligence.jobs(await entityId(context, word), context.call), {
    columns: [
      { title: 'Job', value: ({ job_id }) => job_id, shown: ({ job_id }) => shortId(job_id), whole: true },
      { title: 'Task', value: ({ task_type }) => task_type },
      { title: 'Status', value: ({ status }) => status, whole: true },
      {
        title: 'Started',
        value: ({ started_at }) => timeText(started_at),
        shown: ({ started_at }) => minuteText(started_at),
        whole: true,
      },
      { title: 'Error', value: ({ error_message }) => error_message, below: true },
    ],
    id: ({ job_id }) => job_id,
  });
}

const addEmbedding = (leaf: Leaf<[string[]]>) =>
  leaf
    .option('--by <kind>', 'kind of vector: clip (default), dino, or the kind of a plugin')
    .option('-o, --output <path>', 'file or folder to save to')
    .option('--overwrite', 'replace files that exist')
    .run(async (context, words, { by = 'clip', ...options }) => {
      const { intelligence } = await storeOf(context);
      const get = (id: number, dest: string) => intelligence.downloadEmbedding(id, by, dest, context.call);
      await saveVectors(context, await entityIds(context, words), (id) => `${id}.${by}.npy`, get, options);
    });

function registerEntity(program: Command, world: World): void {
  const leaf = leafMaker(group(program, 'entity', 'Analysis of media: its progress and its results'), world);
  leaf('wait <ids...>', 'Wait until analysis has finished')
    .option('-t, --timeout <time>', 'maximum wait, e.g. 90 or 5m (default: 60 s)', seconds)
    .run(wait);
  leaf('status <ids...>', 'Show the progress of analysis').saveable().run(printIntelligence);
  leaf('retry <ids...>', 'Repeat the parts of an analysis that failed').run(async (context, words) => {
    const { intelligence } = await storeOf(context);
    const columns = [{ title: 'Result', value: (result: object) => JSON.stringify(result) }];
    await forEach(
      context,
      await entityIds(context, words),
      async (id) => ({ ...(await intelligence.retry(id, context.call)) }),
      {
        view: { columns, id: () => undefined },
      },
    );
  });
  leaf('results <id>', 'Show the results that plugins add').run(async (context, word) => {
    const { intelligence } = await storeOf(context);
    await context.out.one(await intelligence.results(await entityId(context, word), context.call));
  });
  leaf('jobs <id>', 'List the analysis jobs of a file').run(printEntityJobs);
  addEmbedding(leaf('embedding <ids...>', 'Download the vectors of media as .npy files'));
}

function registerFaces(program: Command, world: World): void {
  const leaf = leafMaker(group(program, 'faces', 'Faces found in photos'), world);
  leaf('list <id>', 'List the faces in a photo').run(async (context, word) => {
    const { intelligence } = await storeOf(context);
    const id = await entityId(context, word);
    const faces = await intelligence.faces(id, context.call);
    await context.out.many<Face>(faces, {
      ...(await faceView(context, faces)),
      whenEmpty: async () => {
        const state = await intelligence.get(id, context.call);
        if (state?.inference_status.face_detection === 'completed') return 'No faces were found';
        return state?.notice ?? `Face detection has not finished yet; see cl-client entity status ${id}`;
      },
    });
  });
  addLikeness(leaf('similar <face-id>', 'Find faces similar to this one')).alias('matches').run(similarFaces);
  leaf('download-embedding <face-ids...>', 'Download the vectors of faces as .npy files')
    .option('-o, --output <path>', 'file or folder to save to')
    .option('--overwrite', 'replace files that exist')
    .run(async (context, words, options) => {
      const { intelligence } = await storeOf(context);
      const get = (id: number, dest: string) => intelligence.downloadFaceEmbedding(id, dest, context.call);
      const ids = (await wordsOf(words, context.world.stdin)).map(idOf);
      await saveVectors(context, ids, (id) => `face_${id}.npy`, get, options);
    });
  leaf('move <face-id> <person>', 'Assign a face to a person (id or name); none: to nobody').run(
    async (context, face, person) => {
      const { persons } = await storeOf(context);
      const moved = await persons.moveFace(
        idOf(face),
        person === 'none' ? null : await personId(context, person),
        context.call,
      );
      await context.out.one(moved, FACE.id);
    },
  );
  addDeleteFace(leaf('delete <face-ids...>', 'Delete faces'), world);
}

const addDeleteFace = (leaf: Leaf<[string[]]>, world: World) =>
  leaf.option('-y, --yes', 'do not ask for confirmation').run(async (context, words, { yes = false }) => {
    const ids = (await wordsOf(words, world.stdin)).map(idOf);
    await confirmed(world, `Delete ${ids.length === 1 ? `face ${ids[0]}` : `${ids.length} faces`}?`, yes);
    const { intelligence } = await storeOf(context);
    const work = async (id: number): Promise<{ readonly face_id: number }> => {
      await intelligence.deleteFace(id, context.call);
      return { face_id: id };
    };
    await forEach(context, ids, work, {
      view: { columns: [], id: ({ face_id }) => face_id },
      told: ({ face_id }) => `Deleted face ${face_id}`,
    });
  });

/** Registers the former names of some of these commands under `store` (see docs/compatibility.md). */
export function registerDeprecated(store: Command, world: World): void {
  const leaf = leafMaker(store, world);
  leaf('intelligence <ids...>', 'Same as entity status').deprecated().saveable().run(printIntelligence);
  leaf('jobs <id>', 'Same as entity jobs').deprecated().run(printEntityJobs);
  addDeleteFace(
    leafMaker(hide(group(store, 'face', 'Former name of faces')), world)(
      'delete <face-ids...>',
      'Same as faces delete',
    ),
    world,
  );
}

export function register(program: Command, world: World): void {
  const leaf = leafMaker(program, world);
  addLikeness(leaf('search [words...]', 'Find images and videos that match a text'))
    .option('--image <path>', 'find images and videos similar to this image')
    .option('--by <kind>', BY_TEXT)
    .run(async (context, words, options) => {
      if (options.image && !/^https?:/i.test(options.image))
        await fsp.access(options.image).catch(() => {
          throw new CliError(`${options.image}: no such file`, EXIT.badInput);
        });
      await search(context, words, options);
    });
  addLikeness(leaf('similar <id>', 'Find images and videos similar to this one'))
    .option('--by <kind>', BY_TEXT)
    .run(similar);
  addLikeness(
    leafMaker(hide(group(program, 'images', 'Former names of similar and entity embedding')), world)(
      'similar <id>',
      'Find images and videos similar to this one',
    ),
  )
    .option('--by <kind>', BY_TEXT)
    // The option has no effect: details are always included.
    .deprecatedOption('--details', 'details')
    .run(similar);
  addEmbedding(
    leafMaker(group(program, 'images', ''), world)(
      'download-embedding <ids...>',
      'Download the vectors of media as .npy files',
    ),
  );
  leaf('duplicates', 'List groups of near-duplicate images and the best one of each')
    .option('--distance <bits>', 'number of the 64 bits of the hashes that may differ (default: 6)', integer)
    .run(duplicates);
  registerEntity(program, world);
  registerFaces(program, world);
}
