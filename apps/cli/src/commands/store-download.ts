/** Commands that save files of the store on this machine. */
import path from 'node:path';
import type { Downloaded, Entity } from '@cl-server/client';
import type { Command } from 'commander';
import { collectFailures } from '../collect-failures.js';
import { count, integer, leafMaker } from '../command.js';
import type { Context } from '../context.js';
import { countOf } from '../entities/contents.js';
import { CliError, EXIT } from '../exit-codes.js';
import { destination, isTaken, mayWrite } from '../files/destination.js';
import { downloadPlan, fileNameOf, type PlannedFile } from '../files/download-plan.js';
import { byteBar, bytesText } from '../io/progress.js';
import { entityIds, forEach } from '../targets.js';
import type { World } from '../world.js';

interface DownloadOptions {
  readonly output?: string;
  readonly version?: number;
  readonly overwrite?: boolean;
  readonly skipExisting?: boolean;
  readonly all?: boolean;
  readonly concurrency?: number;
}

const SAVED = {
  columns: [
    { title: 'File', value: ({ path: saved }: Downloaded) => saved },
    { title: 'Size', value: ({ size }: Downloaded) => bytesText(size) },
  ],
  id: ({ path: saved }: Downloaded) => saved,
};

const savedText = ({ path: saved, size }: Downloaded): string => `${saved} (${bytesText(size)})`;

async function downloadOne(context: Context, entity: Entity, options: DownloadOptions): Promise<void> {
  const { store } = await context.platform();
  const { version } = options;
  if (options.output === '-') {
    for await (const chunk of await store.media.stream(entity.id, { ...context.call, version }))
      await context.out.bytes(chunk);
    return;
  }
  const name = fileNameOf(entity);
  const dest = await destination(options.output ?? '.', name);
  if (options.skipExisting && (await isTaken(dest))) return context.out.note(`${dest} exists already`);
  await mayWrite(context, dest, options);
  const bar = await byteBar(context.out, entity.file_size ?? 1, name);
  try {
    const onProgress = ({ loaded }: { readonly loaded: number }): void => bar.update(loaded);
    const saved = await store.media.download(entity.id, dest, { ...context.call, version, onProgress });
    bar.stop();
    if (context.out.format === 'human') context.out.success(savedText(saved));
    else await context.out.one(saved, SAVED.id);
  } finally {
    bar.stop();
  }
}

/** Downloads several files into a folder, several at once. @throws CliError if any failed, after the others are done */
async function downloadMany(
  context: Context,
  files: readonly PlannedFile[],
  folder: string,
  options: DownloadOptions,
): Promise<void> {
  const { store } = await context.platform();
  const { map } = await import('@cl-server/client');
  const total = files.reduce((sum, { entity }) => sum + (entity.file_size ?? 0), 0);
  const bar = await byteBar(context.out, total, '');
  const failures = collectFailures(context, false);
  const running = new Map<string, number>();
  let [done, existing] = [0, 0];
  const show = (name: string): void =>
    bar.update(
      [...running.values()].reduce((sum, bytes) => sum + bytes, 0),
      `${done} of ${files.length} files  ${name}`,
    );
  const download = async ({ entity, name }: PlannedFile): Promise<Downloaded | undefined> => {
    const dest = path.join(folder, name);
    if (!options.overwrite && (await isTaken(dest))) {
      existing += 1;
      return undefined;
    }
    const onProgress = ({ loaded }: { readonly loaded: number }): void => {
      running.set(name, loaded);
      show(name);
    };
    const saved = await store.media.download(entity.id, dest, { ...context.call, onProgress });
    done += 1;
    running.set(name, saved.size);
    show(name);
    return saved;
  };
  let results: (Downloaded | undefined)[];
  try {
    const work = (file: PlannedFile) => failures.guard(path.join(folder, file.name), () => download(file));
    results = await map(files, work, { concurrency: options.concurrency ?? 4, signal: context.signal });
  } finally {
    bar.stop();
  }
  const saved = results.filter((result) => result !== undefined);
  if (context.out.format !== 'human') await context.out.many(saved, SAVED);
  else {
    const bytes = saved.reduce((sum, { size }) => sum + size, 0);
    const text = `${countOf(saved.length, 'file')} (${bytesText(bytes)}) in ${folder}`;
    if (saved.length > 0 || existing === 0) context.out.success(text);
    if (existing > 0 && options.skipExisting) context.out.note(`${countOf(existing, 'file')} existed already`);
  }
  failures.finish(files.length);
  if (existing > 0 && !options.skipExisting)
    throw new CliError(
      `${existing} of ${countOf(files.length, 'file')} exist already and were not replaced`,
      EXIT.conflict,
      'Use --overwrite to replace them, or --skip-existing to keep them',
    );
}

async function download(context: Context, words: string[], options: DownloadOptions): Promise<void> {
  const { entities } = (await context.platform()).store;
  if (options.all && words.length > 0) throw new CliError('Give ids or --all, not both', EXIT.usage);
  if (!options.all && words.length === 0)
    throw new CliError('Nothing to download', EXIT.usage, 'Give ids, names of collections, - for a list, or --all');
  const roots: Entity[] = [];
  if (!options.all) {
    const failures = collectFailures(context, words.length === 1);
    for (const id of await entityIds(context, words)) {
      const entity = await failures.guard(String(id), () => entities.get(id, context.call));
      if (entity) roots.push(entity);
    }
    failures.finish(words.length);
  }
  const [only] = roots;
  if (only && roots.length === 1 && !only.is_collection) return downloadOne(context, only, options);
  if (options.output === '-') throw new CliError('Only one file can be written to standard output', EXIT.usage);
  if (options.version !== undefined) throw new CliError('--version can be used with one file only', EXIT.usage);
  const all = options.all ? entities.list({ parent_id: 0, exclude_deleted: true }, context.call) : roots;
  const files: PlannedFile[] = [];
  for await (const file of downloadPlan(entities, all, context.call)) files.push(file);
  await downloadMany(context, files, options.output ?? '.', options);
}

interface PreviewOptions {
  readonly output?: string;
  readonly force?: boolean;
  readonly overwrite?: boolean;
}

async function preview(context: Context, words: string[], { output, force = false, overwrite }: PreviewOptions) {
  const ids = await entityIds(context, words);
  const { media } = (await context.platform()).store;
  const [only] = ids;
  if (output === '-' && only !== undefined) {
    if (ids.length > 1) throw new CliError('Only one file can be written to standard output', EXIT.usage);
    return context.out.bytes(await media.preview(only, { ...context.call, force }));
  }
  const save = async (id: number): Promise<Downloaded> => {
    const name = `${id}.preview.png`;
    const dest = ids.length > 1 ? path.join(output ?? '.', name) : await destination(output ?? '.', name);
    await mayWrite(context, dest, { overwrite });
    return media.downloadPreview(id, dest, { ...context.call, force });
  };
  await forEach(context, ids, save, { view: SAVED, told: savedText });
}

export function registerStoreDownload(store: Command, world: World): void {
  const leaf = leafMaker(store, world);
  leaf('download [ids...]', 'Download files; collections become folders')
    .option('-o, --output <path>', 'file or folder to save to, - for standard output (default: the current folder)')
    .option('--all', 'download the whole library, without the trash')
    .option('--overwrite', 'replace files that exist')
    .option('--skip-existing', 'keep files that exist, for example to continue a download')
    .option('--version <n>', 'the file of this version', integer)
    .option('-c, --concurrency <n>', 'number of simultaneous downloads (default: 4)', count)
    .run(download);
  leaf('preview <ids...>', 'Download the previews of media')
    .option('-o, --output <path>', 'file or folder to save to, - for standard output')
    .option('--overwrite', 'replace files that exist')
    .option('--force', 'create the preview again')
    .run(preview);
}
