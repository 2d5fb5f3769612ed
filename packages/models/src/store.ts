/**
 * The model store: which model serves a role, where its file is, and how it is downloaded.
 *
 * ```
 * $MODELS_DIR/<id>/<file>     downloaded by `models pull`
 * $MODELS_DIR/**\/<file>       put there by hand, if its hash is right
 * $MODELS_DIR/models.json     the choices of `models use`
 * included/<file>             part of this package, used if the folder above has no such file
 * ```
 */
import fs from 'node:fs';
import fsp from 'node:fs/promises';
import path from 'node:path';
import { MODEL_ROLES, type ModelManifest, type ModelRole } from '@cl-server/contract';
import { CATALOGUE, defaultManifest, manifestById } from './catalogue.js';
import { Choices } from './choices.js';
import { assertOwnName, contentOf } from './content.js';
import { DownloadFailed, type DownloadOptions, download } from './download.js';
import { findByName, portable } from './find.js';
import { completeManifest } from './given-manifest.js';
import { includedFile } from './included.js';
import { ModelMissing } from './missing.js';
import { selfTest, type TestedModel } from './self-test.js';
import { ModelSession } from './session.js';
import { loadTokenizer } from './tokenizer.js';
import { unwritable } from './unwritable.js';
import { matches, otherBytes, VerifiedHashes } from './verify.js';

export interface ModelStoreOptions {
  readonly dir: string;
  /** Base URL that is tried first, as `<mirror>/<id>/<file>`. */
  readonly mirror?: string | undefined;
}

/** The model that serves a role. */
export interface Serving {
  readonly manifest: ModelManifest;
  /** Absolute path of the file that `models use` chose; undefined if it is in MODELS_DIR. */
  readonly path?: string;
  /** A text model's own tokenizer. */
  readonly tokenizer?: OwnTokenizer | undefined;
}

export interface OwnTokenizer {
  /** Absolute path. */
  readonly path: string;
  /** Unknown if an older release chose it. */
  readonly size: number | undefined;
  readonly sha256: string | undefined;
}

export type ModelState = 'present' | 'missing' | 'damaged';

export interface ModelRow {
  readonly manifest: ModelManifest;
  /** Roles that the model serves now. */
  readonly serves: readonly ModelRole[];
  readonly state: ModelState;
  readonly path: string | undefined;
  /** Whether this file comes with the package. */
  readonly included: boolean;
}

const FILE_MISSING = 'the file that "models use" chose does not exist any more';
const FILE_CHANGED = 'the file that "models use" chose has changed';

/** @throws SelfTestFailed */
async function testFile(file: string, manifest: ModelManifest): Promise<TestedModel> {
  const session = new ModelSession(file, { provider: 'cpu', threads: 1 });
  return selfTest(manifest, session).finally(() => session.release());
}

export class ModelStore {
  readonly #dir: string;
  readonly #mirror: string | undefined;
  readonly #hashes: VerifiedHashes;
  readonly #choices: Choices;

  constructor({ dir, mirror }: ModelStoreOptions) {
    this.#dir = path.resolve(dir);
    // eslint-disable-next-line regexp/no-super-linear-move -- an address of the operator, some characters long
    this.#mirror = mirror?.replace(/\/+$/, '');
    this.#hashes = new VerifiedHashes(dir);
    this.#choices = new Choices(dir);
  }

  /** Path at which `pull` stores a model. */
  target(manifest: ModelManifest): string {
    return path.join(this.#dir, manifest.id, manifest.file);
  }

  /** The manifest that serves a role now, and the chosen file if `models use` named one. */
  async serving(role: ModelRole): Promise<Serving> {
    const chosen = (await this.#choices.read()).roles[role];
    if (!chosen) return { manifest: defaultManifest(role) };
    const { manifest, path: file, tokenizer, tokenizer_size: size, tokenizer_sha256: sha256 } = chosen;
    return {
      manifest,
      path: path.resolve(this.#dir, file),
      ...(tokenizer !== undefined && { tokenizer: { path: path.resolve(this.#dir, tokenizer), size, sha256 } }),
    };
  }

  /** Changes whenever `models use` has chosen something; cheap enough to be read before every job. */
  stamp(): Promise<string> {
    return this.#choices.stamp();
  }

  /**
   * Path of a model's verified file; undefined if there is none.
   * @param chosen where "models use" found it: if it is not there any more, it may be in MODELS_DIR under its name
   */
  async locate(manifest: ModelManifest, chosen?: string, signal?: AbortSignal): Promise<string | undefined> {
    for (const file of await this.#candidates(manifest, chosen))
      if (await matches(file, manifest, this.#hashes, signal)) return file;
    return undefined;
  }

  async #candidates({ id, file }: Pick<ModelManifest, 'id' | 'file'>, chosen?: string): Promise<ReadonlySet<string>> {
    const first = chosen === undefined ? [] : [chosen];
    const names = new Set([file, ...first.map((known) => path.basename(known))]);
    const usual = [path.join(this.#dir, id, file), path.join(this.#dir, file)];
    return new Set([...first, ...usual, ...(await findByName(this.#dir, names)), includedFile(file)]);
  }

  /** Path of the file that serves a role, verified. @throws ModelMissing */
  async resolve(role: ModelRole): Promise<{ manifest: ModelManifest; path: string }> {
    const serving = await this.serving(role);
    return { manifest: serving.manifest, path: await this.verified(serving) };
  }

  /** Path of a model's file, verified again. @throws ModelMissing */
  async verified({ manifest, path: chosen }: Serving): Promise<string> {
    const found = await this.locate(manifest, chosen);
    if (found !== undefined) return found;
    throw await this.#missing(manifest, chosen, chosen !== undefined && !fs.existsSync(chosen) ? [FILE_MISSING] : []);
  }

  /** Path of a text model's own tokenizer, verified again; undefined if it has none. @throws ModelMissing */
  async tokenizerOf({ manifest: { id, license }, tokenizer }: Serving): Promise<string | undefined> {
    if (!tokenizer) return undefined;
    const { path: chosen, size, sha256 } = tokenizer;
    const file = path.basename(chosen);
    const fits = async (candidate: string): Promise<boolean> =>
      sha256 === undefined
        ? candidate === chosen && fs.existsSync(candidate)
        : (await this.#hashes.of(candidate).catch(() => undefined)) === sha256;
    for (const candidate of await this.#candidates({ id, file }, chosen)) if (await fits(candidate)) return candidate;
    const source = 'given with "models use --tokenizer"';
    throw new ModelMissing(
      { id: `${id} (its tokenizer)`, file, size, sha256, license, source, urls: [] },
      fs.existsSync(chosen) ? FILE_CHANGED : FILE_MISSING,
    );
  }

  /** @throws ModelMissing */
  async require(manifest: ModelManifest): Promise<string> {
    return this.verified({ manifest });
  }

  /** Files that have the name of a model but other content. */
  async #others(manifest: ModelManifest, chosen?: string): Promise<readonly { file: string; what: string }[]> {
    const others: { file: string; what: string }[] = [];
    for (const file of await this.#candidates(manifest, chosen)) {
      const what = await otherBytes(file, manifest, this.#hashes);
      if (what !== undefined) others.push({ file, what });
    }
    return others;
  }

  /** @param why further reasons, beside the files that have its name */
  async #missing(manifest: ModelManifest, chosen: string | undefined, why: readonly string[]): Promise<ModelMissing> {
    const others = (await this.#others(manifest, chosen)).map(({ file, what }) => {
      const inside = portable(this.#dir, file);
      // Clients may read this, so it contains no folders of the server.
      return inside === file
        ? `${path.basename(file)} was chosen, but ${what}`
        : `${inside} there is a different file: ${what}`;
    });
    return new ModelMissing(manifest, [...why, ...others].join('; '));
  }

  /**
   * Downloads a model unless it exists. @returns its path. @throws ModelMissing, or the reason with which the signal
   * was aborted
   */
  async pull(manifest: ModelManifest, options: Omit<DownloadOptions, 'urls'> = {}): Promise<string> {
    options.signal?.throwIfAborted();
    const present = await this.locate(manifest, undefined, options.signal);
    // A user who pulls a model that comes with the package wants a file in MODELS_DIR.
    if (present !== undefined && present !== includedFile(manifest.file)) return present;
    const target = this.target(manifest);
    const mirrored = this.#mirror === undefined ? [] : [`${this.#mirror}/${manifest.id}/${manifest.file}`];
    try {
      await download(manifest, target, () => matches(target, manifest, this.#hashes, options.signal), {
        ...options,
        urls: [...mirrored, ...manifest.urls],
      });
    } catch (error) {
      const fault = error instanceof DownloadFailed ? `the last attempt failed: ${error.message}` : unwritable(error);
      if (fault === undefined) throw error;
      throw await this.#missing(manifest, undefined, [fault]);
    }
    return target;
  }

  /** All known models, with the roles that they serve. */
  async list(signal?: AbortSignal): Promise<readonly ModelRow[]> {
    const served = new Map<string, { manifest: ModelManifest; roles: ModelRole[]; path?: string }>();
    for (const role of MODEL_ROLES) {
      const { manifest, path: chosen } = await this.serving(role);
      const row = served.get(manifest.id) ?? { manifest, roles: [], ...(chosen !== undefined && { path: chosen }) };
      row.roles.push(role);
      served.set(manifest.id, row);
    }
    const known = new Map(CATALOGUE.map((manifest) => [manifest.id, manifest]));
    for (const { manifest } of served.values()) known.set(manifest.id, manifest);
    const rows: ModelRow[] = [];
    for (const manifest of known.values()) {
      const serving = served.get(manifest.id);
      const file = await this.locate(manifest, serving?.path, signal);
      const due = serving?.path ?? this.target(manifest);
      rows.push({
        manifest,
        serves: serving?.roles ?? [],
        state: file !== undefined ? 'present' : fs.existsSync(due) ? 'damaged' : 'missing',
        path: file,
        included: file !== undefined && file === includedFile(manifest.file),
      });
    }
    return rows;
  }

  /**
   * Reads every byte of a model again and tests it.
   * @returns the fault; undefined if there is none
   */
  async verify(manifest: ModelManifest): Promise<string | undefined> {
    const row = (await this.list()).find((candidate) => candidate.manifest.id === manifest.id);
    const [role] = row?.serves ?? [];
    const serving = role === undefined ? { manifest } : await this.serving(role);
    try {
      const file = await this.verified(serving);
      this.#hashes.forget(file);
      if (!(await matches(file, manifest, this.#hashes))) return 'its bytes are damaged: delete the file and pull it';
      if (manifest.role === 'tokenizer') await loadTokenizer(file);
      else await testFile(file, manifest);
      for (const role of row?.serves ?? []) {
        const tokenizer = await this.tokenizerOf(await this.serving(role));
        if (tokenizer !== undefined) await loadTokenizer(tokenizer);
      }
      return undefined;
    } catch (error) {
      if (!(error instanceof ModelMissing)) return (error as Error).message;
      if (error.missing.urls.length === 0) return error.messageWith(this.#dir);
      const others = await this.#others(manifest, serving.path);
      return [
        'its file is missing: pull it',
        ...others.map(({ file, what }) => `${file} is a different file: ${what}`),
      ].join('; ');
    }
  }

  /**
   * Assigns a role to another file if it passes the self-test.
   * @param given the user's manifest; size and SHA-256 are measured if it omits them
   * @throws SelfTestFailed, or an Error that describes the fault of the manifest
   */
  async use(
    role: ModelRole,
    file: string,
    given: Readonly<Record<string, unknown>>,
    { tokenizer }: { readonly tokenizer?: string | undefined } = {},
  ): Promise<ModelManifest> {
    const absolute = path.resolve(file);
    const manifest = await completeManifest(role, file, given, this.#hashes, tokenizer !== undefined);
    if (tokenizer !== undefined) await loadTokenizer(tokenizer);
    const own = tokenizer === undefined ? undefined : await this.#ownTokenizer(path.resolve(tokenizer));
    const known = manifestById(manifest.id);
    if (known && contentOf(known).sha256 !== contentOf(manifest).sha256)
      throw new Error(`the id ${manifest.id} belongs to another model: choose another id for yours`);
    const tested = await testFile(absolute, manifest);
    // From now on, the manifest contains the tested values that it omitted.
    const complete: ModelManifest = { ...manifest, ...tested, dimension: tested.dimension };
    const others = [...CATALOGUE.map((entry) => contentOf(entry)), ...(await this.#choices.used())];
    assertOwnName(contentOf(complete, own?.tokenizer_sha256), others);
    await this.#choices.choose(role, { manifest: complete, path: portable(this.#dir, absolute), ...own });
    return complete;
  }

  async #ownTokenizer(file: string) {
    const { size } = await fsp.stat(file);
    return {
      tokenizer: portable(this.#dir, file),
      tokenizer_size: size,
      tokenizer_sha256: await this.#hashes.of(file),
    };
  }

  /** Assigns a role to a model of the catalogue, or back to its default. */
  async useKnown(role: ModelRole, id?: string, options: Omit<DownloadOptions, 'urls'> = {}): Promise<ModelManifest> {
    const manifest = id === undefined ? defaultManifest(role) : manifestById(id);
    if (!manifest || manifest.role !== role) throw new Error(`no model ${id} for ${role} is known`);
    if (manifest.id === defaultManifest(role).id) await this.#choices.choose(role, undefined);
    else await this.#choices.choose(role, { manifest, path: portable(this.#dir, await this.pull(manifest, options)) });
    return manifest;
  }
}
