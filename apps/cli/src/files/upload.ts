import { promises as fsp } from 'node:fs';
import path from 'node:path';
import type { EntitiesClient, Entity } from '@cl-server/client';
import { collectFailures } from '../collect-failures.js';
import type { Context } from '../context.js';
import { resolveCollection } from '../entities/resolve-collection.js';
import { CliError, EXIT } from '../exit-codes.js';
import { InOrder } from '../io/in-order.js';
import { byteBar, bytesText, type ProgressBar } from '../io/progress.js';
import { expandInputs, type InputFile } from './inputs.js';
import { sha256 } from './sha256.js';
import { UploadLedger } from './upload-ledger.js';

export interface UploadCommandOptions {
  readonly label?: string;
  readonly description?: string;
  /** The id, name or path of a collection. */
  readonly parent?: string;
  readonly recursive?: boolean;
  readonly allTypes?: boolean;
  readonly concurrency?: number;
  readonly chunkedFrom?: number;
  readonly dryRun?: boolean;
}

/** The result for one file: uploaded, already on the server, or only checked. */
type Outcome = 'uploaded' | 'present' | 'would upload';

interface UploadRow {
  readonly file: string;
  readonly outcome: Outcome;
  readonly entity: Entity | undefined;
}

interface LocalFile extends InputFile {
  readonly size: number;
}

const isWeb = (source: string): boolean => /^https?:\/\//i.test(source);

/** The progress of all files together; each file reports its own part. */
class TotalProgress {
  readonly #bar: ProgressBar;
  #done = 0;
  readonly #running = new Map<string, number>();

  constructor(bar: ProgressBar) {
    this.#bar = bar;
  }

  set(file: string, bytes: number): void {
    this.#running.set(file, bytes);
    let sum = this.#done;
    for (const part of this.#running.values()) sum += part;
    this.#bar.update(sum, path.basename(file));
  }

  end(file: string, bytes: number): void {
    this.#running.delete(file);
    this.#done += bytes;
    this.set(file, 0);
  }
}

/** Uploads one file, unless the server already has its content. */
class Uploader {
  readonly #context: Context;
  readonly #entities: EntitiesClient;
  readonly #options: UploadCommandOptions;
  readonly #progress: TotalProgress;
  readonly #ledger: UploadLedger;
  readonly #single: boolean;
  readonly #parent: number | undefined;

  constructor(
    context: Context,
    entities: EntitiesClient,
    options: UploadCommandOptions,
    progress: TotalProgress,
    single: boolean,
    parent: number | undefined,
  ) {
    this.#context = context;
    this.#entities = entities;
    this.#options = options;
    this.#progress = progress;
    this.#ledger = new UploadLedger(context.configFolder);
    this.#single = single;
    this.#parent = parent;
  }

  async send(file: LocalFile): Promise<UploadRow> {
    try {
      return isWeb(file.source) ? await this.#transfer(file, undefined) : await this.#unlessPresent(file);
    } finally {
      this.#progress.end(file.source, file.size);
    }
  }

  async #unlessPresent(file: LocalFile): Promise<UploadRow> {
    if (file.size === 0) throw new CliError('the file is empty', EXIT.badInput);
    const digest = await sha256(file.source, this.#context.signal);
    const entity = await this.#entities.lookup({ sha256: digest }, this.#context.call);
    return entity ? { file: file.name, outcome: 'present', entity } : this.#transfer(file, digest);
  }

  async #transfer(file: LocalFile, digest: string | undefined): Promise<UploadRow> {
    if (this.#options.dryRun) return { file: file.name, outcome: 'would upload', entity: undefined };
    const { description, chunkedFrom = 64 } = this.#options;
    const fields = {
      label: (this.#single ? this.#options.label : undefined) ?? file.name,
      description,
      parent_id: this.#parent,
    };
    const options = {
      signal: this.#context.signal,
      onProgress: ({ loaded }: { loaded: number }) => this.#progress.set(file.source, Math.min(loaded, file.size)),
    };
    const { entity, created } =
      digest !== undefined && file.size >= chunkedFrom * 1_000_000
        ? await this.#uploadInPieces(file, digest, fields, options)
        : await this.#entities.upload(file.source, fields, options);
    return { file: file.name, outcome: created ? 'uploaded' : 'present', entity };
  }

  /** Continues where an earlier run of this program stopped. */
  async #uploadInPieces(
    file: LocalFile,
    digest: string,
    fields: Parameters<EntitiesClient['upload']>[1],
    options: Parameters<EntitiesClient['uploadResumable']>[2],
  ) {
    const key = `${this.#entities.baseUrl} ${digest}`;
    const result = await this.#entities.uploadResumable(file.source, fields, {
      ...options,
      uploadUrl: await this.#ledger.get(key),
      onUploadUrl: (url) => this.#ledger.set(key, url),
    });
    await this.#ledger.set(key, undefined);
    return result;
  }
}

const withSize = async (file: InputFile): Promise<LocalFile> => ({
  ...file,
  size: isWeb(file.source) ? 0 : (await fsp.stat(file.source)).size,
});

const VIEW = {
  columns: [
    { title: 'File', value: (row: UploadRow) => row.file },
    { title: '', value: (row: UploadRow) => row.outcome },
    { title: 'ID', value: (row: UploadRow) => row.entity?.id },
  ],
  id: (row: UploadRow) => row.entity?.id,
};

/**
 * Uploads files and folders, several at once, with one progress bar for all, and reports the results.
 * @throws CliError if any file failed, after the others have ended
 */
export async function uploadFiles(
  context: Context,
  args: readonly string[],
  options: UploadCommandOptions,
): Promise<void> {
  const found = await expandInputs(args, context.world.stdin, {
    recursive: options.recursive ?? false,
    mediaOnly: !options.allTypes,
  });
  if (found.length === 0) throw new CliError('No files to upload', EXIT.badInput);
  const single = found.length === 1;
  if (options.label !== undefined && !single) throw new CliError('--label can be used with one file only', EXIT.usage);
  const { store } = await context.platform();
  const parent =
    options.parent === undefined ? undefined : await resolveCollection(store.entities, options.parent, context.call);
  const { map } = await import('@cl-server/client');
  const files = await map(found, withSize, { concurrency: 16 });
  const total = files.reduce((sum, { size }) => sum + size, 0);
  const bar = await byteBar(context.out, total, '');
  const uploader = new Uploader(context, store.entities, options, new TotalProgress(bar), single, parent);
  const failures = collectFailures(context, single);
  const began = performance.now();
  const rows: (UploadRow | undefined)[] = [];
  const byLine = !single && (context.out.format === 'ndjson' || context.out.format === 'quiet');
  const lines = new InOrder<UploadRow>((row) => context.out.one(record(row), ({ id }) => id));
  const count = (outcome: Outcome): number => rows.filter((row) => row?.outcome === outcome).length;
  const tally = (): string =>
    `${count('uploaded')} uploaded, ${count('present')} already on the server, ${failures.count} failed`;
  try {
    await map(
      files,
      async (file, i) => {
        rows[i] = await failures.guard(file.name, () => uploader.send(file));
        if (byLine) await lines.set(i, rows[i]);
      },
      { concurrency: options.concurrency ?? 4, signal: context.signal },
    );
  } catch (error) {
    bar.stop();
    if (!single) context.out.note(`${tally()}, of ${files.length}; run the same command again to continue`);
    throw error;
  }
  bar.stop();
  if (!byLine)
    await report(
      context,
      rows.filter((row) => row !== undefined),
      single,
    );
  const seconds = (performance.now() - began) / 1000;
  context.out.note(`${tally()} (${bytesText(total)} in ${seconds.toFixed(1)} s)`);
  failures.finish(files.length);
}

/** The result in the form that programs get. */
const record = ({ file, outcome, entity }: UploadRow) => ({ file, outcome, id: entity?.id ?? null, entity });

async function report({ out }: Context, rows: readonly UploadRow[], single: boolean): Promise<void> {
  const only = rows[0];
  if (out.format === 'human') return rows.length > 0 ? out.many(rows, VIEW) : undefined;
  if (single && only) return out.one(only.entity ?? { file: only.file, outcome: only.outcome }, () => only.entity?.id);
  await out.many(rows.map(record), { columns: [], id: ({ id }) => id });
}
