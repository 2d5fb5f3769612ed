import type { EntitiesClient, Entity, ResumableUploadOptions } from '@cl-server/client';
import { collectionPaths, type FolderCollections, type Target } from '../entities/folder-collections.js';
import { CliError, EXIT } from '../exit-codes.js';
import type { InputFile } from './inputs.js';
import { sha256 } from './sha256.js';
import type { UploadLedger } from './upload-ledger.js';
import type { UploadProgress } from './upload-progress.js';
import type { UploadRow } from './upload-row.js';

/** A file whose size is known. */
export interface LocalFile extends InputFile {
  readonly size: number;
  /** The reason why the file cannot be read. */
  readonly problem?: string;
}

export interface UploaderOptions {
  readonly entities: EntitiesClient;
  readonly signal: AbortSignal;
  readonly progress: UploadProgress;
  readonly ledger: UploadLedger;
  /** The collection for files, or for the outermost folders. */
  readonly parent: Target | undefined;
  /** Defined if folders become collections. */
  readonly collections: FolderCollections | undefined;
  readonly label: string | undefined;
  readonly description: string | undefined;
  /** Whether files that are in another collection are moved. */
  readonly move: boolean;
  readonly dryRun: boolean;
  /** Files of this size or larger are sent in pieces. */
  readonly chunkedFrom: number;
}

export const isWeb = (source: string): boolean => /^https?:\/\//i.test(source);

/** Uploads files, except those whose content the server already has; these are put into the requested collection. */
export class Uploader {
  readonly #options: UploaderOptions;
  readonly #pathOf: (collection: number) => Promise<string>;
  /** The digests that a dry run has seen: a second file with the same content would not be sent. */
  readonly #seen = new Set<string>();
  /** The entities that this run has put into a collection. Copies of a file in other folders must not move them again. */
  readonly #placed = new Set<number>();

  constructor(options: UploaderOptions) {
    this.#options = options;
    this.#pathOf = collectionPaths(options.entities, this.#call);
  }

  get #call(): { readonly signal: AbortSignal } {
    return { signal: this.#options.signal };
  }

  async send(file: LocalFile): Promise<UploadRow> {
    try {
      if (file.problem !== undefined) throw new CliError(file.problem, EXIT.badInput);
      if (isWeb(file.source)) return await this.#transfer(file, undefined);
      if (file.size === 0) throw new CliError('the file is empty', EXIT.badInput);
      return await this.#unlessKnown(file);
    } finally {
      this.#options.progress.end(file.source, file.size);
    }
  }

  async #unlessKnown(file: LocalFile): Promise<UploadRow> {
    const { entities, signal, progress } = this.#options;
    const digest = await sha256(file.source, signal, (bytes) => progress.checking(file.source, bytes, file.size));
    const known = await entities.lookup({ sha256: digest }, this.#call);
    return known ? this.#place(file, known) : this.#transfer(file, digest);
  }

  /** The collection that the file belongs into. */
  async #target({ folders }: LocalFile): Promise<Target | undefined> {
    const { collections, parent } = this.#options;
    return collections ? collections.of(folders, parent) : parent;
  }

  /** Puts an entity that the server already has into the requested collection, unless it is in another one. */
  async #place(file: LocalFile, entity: Entity): Promise<UploadRow> {
    const { entities, move, dryRun, label } = this.#options;
    const row = { file: file.name, entity };
    const { parent_id } = entity;
    if (entity.is_indirectly_deleted && parent_id !== null && !move)
      return { ...row, outcome: 'in trash', message: `with ${await this.#pathOf(parent_id)}` };
    const target = await this.#target(file);
    if (target && parent_id !== target.id && (parent_id === null || move) && !this.#placed.has(entity.id)) {
      this.#placed.add(entity.id);
      if (dryRun || target.id === undefined)
        return { ...row, outcome: parent_id === null ? 'would add' : 'would move', message: `to ${target.path}` };
      const placed = await entities.patch(entity.id, { parent_id: target.id }, this.#call);
      const outcome = parent_id === null ? 'added' : 'moved';
      return { ...row, entity: placed, outcome, message: `to ${target.path}` };
    }
    if (parent_id !== null && target && parent_id !== target.id)
      return { ...row, outcome: 'elsewhere', message: `in ${await this.#pathOf(parent_id)}` };
    const unchanged = label !== undefined && label !== entity.label ? 'its label was not changed' : undefined;
    return { ...row, outcome: 'present', message: unchanged };
  }

  async #transfer(file: LocalFile, digest: string | undefined): Promise<UploadRow> {
    const { entities, progress, description, label, dryRun, chunkedFrom } = this.#options;
    const target = await this.#target(file);
    if (dryRun) {
      if (digest !== undefined && this.#seen.has(digest))
        return { file: file.name, outcome: 'present', message: 'the same content as an earlier file' };
      if (digest !== undefined) this.#seen.add(digest);
      return { file: file.name, outcome: 'would upload', message: target && `to ${target.path}` };
    }
    // Collections keep the path of a file in a folder; without them the label does.
    const name = this.#options.collections ? (file.name.split('/').at(-1) ?? file.name) : file.name;
    const fields = { label: label ?? name, description, parent_id: target?.id };
    const options = {
      signal: this.#options.signal,
      onProgress: ({ loaded }: { loaded: number }) => progress.sending(file.source, Math.min(loaded, file.size)),
    };
    const { entity, created } =
      digest !== undefined && file.size >= chunkedFrom
        ? await this.#uploadInPieces(file, digest, { ...fields, ...options })
        : await entities.upload(this.#input(file), { ...fields, ...options });
    if (!created) return this.#place(file, entity);
    if (target) this.#placed.add(entity.id);
    return { file: file.name, outcome: 'uploaded', entity };
  }

  /** The file for the SDK. The name of a temporary file is not the name of the upload. */
  #input({ source, name }: LocalFile) {
    const base = name.split('/').at(-1) ?? name;
    return isWeb(source) ? source : { data: source, name: base };
  }

  /** Continues where an earlier run of this program stopped. */
  async #uploadInPieces(file: LocalFile, digest: string, options: ResumableUploadOptions) {
    const { entities, ledger } = this.#options;
    const key = `${entities.baseUrl} ${digest}`;
    const result = await entities.uploadResumable(this.#input(file), {
      ...options,
      uploadUrl: await ledger.get(key),
      onUploadUrl: (url) => ledger.set(key, url),
    });
    await ledger.set(key, undefined);
    return result;
  }
}
