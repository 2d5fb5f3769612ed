/** The command `store upload`. */
import { promises as fsp } from 'node:fs';
import type { EntitiesClient } from '@cl-server/client';
import { collectFailures } from '../collect-failures.js';
import type { Context } from '../context.js';
import { FolderCollections, type Target } from '../entities/folder-collections.js';
import { pathOf, resolveCollection } from '../entities/resolve-collection.js';
import { CliError, EXIT } from '../exit-codes.js';
import { bytesText } from '../io/progress.js';
import { readAll } from '../io/prompt.js';
import { expandInputs, type InputFile, namesIn, type SkipReason } from './inputs.js';
import { saveStandardInput } from './standard-input.js';
import { UploadLedger } from './upload-ledger.js';
import { UploadProgress } from './upload-progress.js';
import { UploadReport } from './upload-report.js';
import { isWeb, type LocalFile, Uploader } from './uploader.js';

export interface UploadCommandOptions {
  readonly label?: string;
  readonly name?: string;
  readonly description?: string;
  /** The id, name or path of a collection. */
  readonly parent?: string;
  readonly collections?: boolean;
  readonly move?: boolean;
  readonly filesFrom?: string;
  readonly allTypes?: boolean;
  readonly verbose?: boolean;
  readonly concurrency?: number;
  /** Megabytes. */
  readonly chunkedFrom?: number;
  readonly dryRun?: boolean;
}

const SKIPPED: Readonly<Record<SkipReason, string>> = {
  'not media': 'not media (--all-types includes them)',
  hidden: 'hidden',
  link: 'symbolic link',
  special: 'not a regular file',
};

const skippedText = (skipped: ReadonlyMap<SkipReason, number>): string =>
  `Skipped: ${[...skipped].map(([reason, count]) => `${count} × ${SKIPPED[reason]}`).join(', ')}`;

async function withSize(file: InputFile): Promise<LocalFile> {
  if (isWeb(file.source)) return { ...file, size: 0 };
  return fsp.stat(file.source).then(
    ({ size }) => ({ ...file, size }),
    (error: Error) => ({ ...file, size: 0, problem: error.message }),
  );
}

/** The names of files in a list. @param from a file, or `-` for standard input */
async function listedNames(from: string, stdin: NodeJS.ReadableStream): Promise<string[]> {
  if (from === '-') return namesIn(await readAll(stdin));
  return fsp.readFile(from, 'utf8').then(namesIn, () => {
    throw new CliError(`${from}: no such file`, EXIT.badInput);
  });
}

interface Found {
  readonly files: readonly LocalFile[];
  readonly skipped: ReadonlyMap<SkipReason, number>;
}

/** Finds all files, with their sizes. What cannot be read becomes a file with a problem, so that the others are sent. */
async function findFiles(context: Context, args: readonly string[], options: UploadCommandOptions): Promise<Found> {
  const { stdin } = context.world;
  const skipped = new Map<SkipReason, number>();
  const problems: LocalFile[] = [];
  const listed = options.filesFrom === undefined ? [] : await listedNames(options.filesFrom, stdin);
  const found = await expandInputs([...args, ...listed], stdin, {
    mediaOnly: !options.allTypes,
    onSkip: (reason) => skipped.set(reason, (skipped.get(reason) ?? 0) + 1),
    onUnreadable: (name, { message }) => problems.push({ source: name, name, folders: [], size: 0, problem: message }),
  });
  const { map } = await import('@cl-server/client');
  return { files: [...(await map(found, withSize, { concurrency: 16 })), ...problems], skipped };
}

async function targetOf(
  context: Context,
  entities: EntitiesClient,
  parent: string | undefined,
): Promise<Target | undefined> {
  if (parent === undefined) return undefined;
  const id = await resolveCollection(entities, parent, context.call, 'parent');
  return { id, path: await pathOf(entities, await entities.get(id, context.call), context.call) };
}

function checkOptions(
  args: readonly string[],
  { name, move, parent, collections, filesFrom }: UploadCommandOptions,
): void {
  const usage = (message: string): never => {
    throw new CliError(message, EXIT.usage);
  };
  if (args.length === 0 && filesFrom === undefined) usage('Give files or folders, or --files-from');
  if (args.filter((arg) => arg === '-').length > 1) usage('- can be given only once');
  if (args.includes('-') && filesFrom === '-')
    usage('Standard input can be a file (-) or a list (--files-from -), not both');
  if (name !== undefined && !args.includes('-')) usage('--name is the name of standard input: use it with -');
  if (move && parent === undefined && !collections) usage('--move needs --parent or --collections');
}

/**
 * Uploads files and folders, several at once, and reports the results.
 * @throws CliError if any file failed, after the others have ended
 */
export async function uploadFiles(
  context: Context,
  args: readonly string[],
  options: UploadCommandOptions,
): Promise<void> {
  checkOptions(args, options);
  const named = args.filter((arg) => arg !== '-');
  const { files, skipped } = await findFiles(context, named, options);
  if (!args.includes('-')) return sendAll(context, files, skipped, options);
  await using saved = await saveStandardInput(context.world.stdin, options.name, context.signal);
  const input = await withSize({ source: saved.path, name: saved.name, folders: [] });
  await sendAll(context, [input, ...files], skipped, options);
}

async function sendAll(
  context: Context,
  files: readonly LocalFile[],
  skipped: Found['skipped'],
  options: UploadCommandOptions,
): Promise<void> {
  const { out } = context;
  if (files.length === 0)
    throw new CliError('No files to upload', EXIT.badInput, skipped.size > 0 ? skippedText(skipped) : undefined);
  const single = files.length === 1;
  if (options.label !== undefined && !single) throw new CliError('--label can be used with one file only', EXIT.usage);
  const { entities } = (await context.platform()).store;
  const dryRun = options.dryRun ?? false;
  const parent = await targetOf(context, entities, options.parent);
  const collections = options.collections ? new FolderCollections({ entities, call: context.call, dryRun }) : undefined;
  const progress = new UploadProgress(
    out,
    files.length,
    files.reduce((sum, { size }) => sum + size, 0),
  );
  const { label, description, move = false, chunkedFrom = 64 } = options;
  const uploader = new Uploader({
    ...{ entities, progress, parent, collections, label, description, move, dryRun },
    signal: context.signal,
    ledger: new UploadLedger(context.configFolder),
    chunkedFrom: chunkedFrom * 1_000_000,
  });
  const report = new UploadReport(context, single, options.verbose === true || single);
  const failures = collectFailures(context, single);
  const began = performance.now();
  const { map } = await import('@cl-server/client');
  try {
    await map(
      files,
      async (file, i) => {
        const row = await failures.guard(
          file.name,
          () => uploader.send(file),
          (failure) => report.add(i, { file: file.name, outcome: 'failed', failure }, 0),
        );
        if (row) await report.add(i, row, file.size);
      },
      { concurrency: options.concurrency ?? 4, signal: context.signal },
    );
  } catch (error) {
    progress.stop();
    await report.flush();
    if (!single) out.note(`${report.tally(dryRun)}, of ${files.length}. Run the same command again to resume`);
    throw error;
  }
  progress.stop();
  await report.finish();
  const seconds = (performance.now() - began) / 1000;
  if (!single) out.note(`${report.tally(dryRun)} (${bytesText(report.sentBytes)} in ${seconds.toFixed(1)} s)`);
  if (report.count('in trash') > 0)
    out.warn(
      'Some files are on the server, but in the trash: restore them with "cl-client store restore", or use --move',
    );
  if (report.count('elsewhere') > 0 && (parent || collections))
    out.note('Files in another collection stay there; use --move to move them');
  if (collections && collections.created > 0)
    out.note(`Collections ${dryRun ? 'that would be created' : 'created'}: ${collections.created}`);
  if (skipped.size > 0) out.note(skippedText(skipped));
  failures.finish(files.length);
}
