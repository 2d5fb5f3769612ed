/**
 * The model store: which model serves a role, where its file lies, and how it gets there.
 *
 * ```
 * $MODELS_DIR/<id>/<file>     what `pull` writes
 * $MODELS_DIR/**\/<file>       what a person put there by hand, if its hash is right
 * $MODELS_DIR/models.json     what `use` chose instead of the defaults
 * ```
 */
import { randomBytes } from 'node:crypto';
import fsp from 'node:fs/promises';
import path from 'node:path';
import {
  MODEL_ROLES,
  type ModelChoices,
  type ModelManifest,
  type ModelRole,
  modelChoices,
  modelManifest,
} from '@cl-server/contract';
import { CATALOGUE, defaultManifest, manifestById } from './catalogue.js';
import { DownloadFailed, type DownloadOptions, download } from './download.js';
import { matches, sha256File, VerifiedHashes } from './verify.js';

export interface ModelStoreOptions {
  readonly dir: string;
  /** Base URL asked first, as `<mirror>/<id>/<file>`. */
  readonly mirror?: string | undefined;
}

export type ModelState = 'present' | 'missing' | 'damaged';

export interface ModelRow {
  readonly manifest: ModelManifest;
  /** Roles that it serves now. */
  readonly serves: readonly ModelRole[];
  readonly state: ModelState;
  readonly path: string | undefined;
}

/** The file is nowhere and could not be fetched; the message says which file, its hash, where to put it, where it is from. */
export class ModelMissing extends Error {
  override readonly name = 'ModelMissing';
  constructor(
    readonly manifest: ModelManifest,
    why: string,
  ) {
    super(
      `model ${manifest.id} is missing: put ${manifest.file} (${manifest.size} bytes, SHA-256 ${manifest.sha256}; ` +
        `${manifest.source}, ${manifest.license}) into MODELS_DIR or run "cl-server models pull ${manifest.id}"` +
        `${why ? `; the last try failed: ${why}` : ''}`,
    );
  }
}

const DEPTH = 4;

async function findByName(dir: string, name: string, depth = DEPTH): Promise<string[]> {
  const entries = await fsp.readdir(dir, { withFileTypes: true }).catch(() => []);
  const found: string[] = [];
  for (const entry of entries) {
    const file = path.join(dir, entry.name);
    if (entry.name === name && !entry.isDirectory()) found.push(file);
    else if (entry.isDirectory() && depth > 1) found.push(...(await findByName(file, name, depth - 1)));
  }
  return found;
}

export class ModelStore {
  readonly #dir: string;
  readonly #mirror: string | undefined;
  readonly #hashes: VerifiedHashes;

  constructor({ dir, mirror }: ModelStoreOptions) {
    this.#dir = dir;
    this.#mirror = mirror?.replace(/\/+$/, '');
    this.#hashes = new VerifiedHashes(dir);
  }

  /** Where `pull` puts a model. */
  target(manifest: ModelManifest): string {
    return path.join(this.#dir, manifest.id, manifest.file);
  }

  /** The manifest that serves a role now, and the file chosen with it, if `use` named one. */
  async serving(role: ModelRole): Promise<{ manifest: ModelManifest; path?: string }> {
    return (await this.#choices()).roles[role] ?? { manifest: defaultManifest(role) };
  }

  /** Path of a model's verified file; undefined where there is none. */
  async locate(manifest: ModelManifest): Promise<string | undefined> {
    const target = this.target(manifest);
    const candidates = new Set([
      target,
      path.join(this.#dir, manifest.file),
      ...(await findByName(this.#dir, manifest.file)),
    ]);
    for (const file of candidates) if (await matches(file, manifest, this.#hashes)) return file;
    return undefined;
  }

  /** Path of the file that serves a role, verified. @throws ModelMissing */
  async resolve(role: ModelRole): Promise<{ manifest: ModelManifest; path: string }> {
    const { manifest, path: chosen } = await this.serving(role);
    if (chosen !== undefined) {
      if (await matches(chosen, manifest, this.#hashes)) return { manifest, path: chosen };
      throw new ModelMissing(manifest, 'the file that was chosen with "models use" is gone or changed');
    }
    return { manifest, path: await this.require(manifest) };
  }

  /** @throws ModelMissing */
  async require(manifest: ModelManifest): Promise<string> {
    const found = await this.locate(manifest);
    if (found === undefined) throw new ModelMissing(manifest, '');
    return found;
  }

  /** Fetches a model unless it is there. @returns its path. @throws ModelMissing */
  async pull(manifest: ModelManifest, options: Omit<DownloadOptions, 'urls'> = {}): Promise<string> {
    const present = await this.locate(manifest);
    if (present !== undefined) return present;
    const target = this.target(manifest);
    const mirrored = this.#mirror === undefined ? [] : [`${this.#mirror}/${manifest.id}/${manifest.file}`];
    try {
      await download(manifest, target, () => matches(target, manifest, this.#hashes), {
        ...options,
        urls: [...mirrored, ...manifest.urls],
      });
    } catch (error) {
      if (error instanceof DownloadFailed) throw new ModelMissing(manifest, error.message);
      throw error;
    }
    return target;
  }

  /** Every known model, and what serves what. */
  async list(): Promise<readonly ModelRow[]> {
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
      const file = serving?.path ?? (await this.locate(manifest));
      const good = file !== undefined && (await matches(file, manifest, this.#hashes));
      const damaged = !good && (file !== undefined || (await fsp.stat(this.target(manifest)).catch(() => undefined)));
      rows.push({
        manifest,
        serves: serving?.roles ?? [],
        state: good ? 'present' : damaged ? 'damaged' : 'missing',
        path: good ? file : undefined,
      });
    }
    return rows;
  }

  /**
   * Puts a role to another file.
   * @param given the user's manifest; size and SHA-256 are measured where it does not say them
   */
  async use(role: ModelRole, file: string, given: Readonly<Record<string, unknown>>): Promise<ModelManifest> {
    const absolute = path.resolve(file);
    const { size } = await fsp.stat(absolute);
    const manifest = modelManifest.parse({
      file: path.basename(absolute),
      size,
      sha256: await sha256File(absolute),
      version: '1',
      license: 'not stated',
      source: 'chosen with "models use"',
      ...given,
      role,
    });
    if (manifestById(manifest.id) && manifest.sha256 !== manifestById(manifest.id)?.sha256)
      throw new Error(`the id ${manifest.id} belongs to another model: give yours an id of its own`);
    await this.#choose(role, { manifest, path: absolute });
    return manifest;
  }

  /** Puts a role to a model of the catalogue, or back to its default. */
  async useKnown(role: ModelRole, id?: string): Promise<ModelManifest> {
    const manifest = id === undefined ? defaultManifest(role) : manifestById(id);
    if (!manifest || manifest.role !== role) throw new Error(`no model ${id} for ${role} is known`);
    if (manifest.id === defaultManifest(role).id) await this.#choose(role, undefined);
    else await this.#choose(role, { manifest, path: await this.pull(manifest) });
    return manifest;
  }

  async #choices(): Promise<ModelChoices> {
    try {
      const text = await fsp.readFile(path.join(this.#dir, 'models.json'), 'utf8');
      return modelChoices.parse(JSON.parse(text));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { version: 1, roles: {} };
      throw new Error('models.json in MODELS_DIR is damaged: mend it, or delete it to return to the default models', {
        cause: error,
      });
    }
  }

  async #choose(role: ModelRole, choice: ModelChoices['roles'][ModelRole]): Promise<void> {
    const { roles } = await this.#choices();
    const { [role]: _, ...others } = roles;
    const next: ModelChoices = { version: 1, roles: choice ? { ...others, [role]: choice } : others };
    const file = path.join(this.#dir, 'models.json');
    const draft = `${file}.${randomBytes(4).toString('hex')}`;
    await fsp.mkdir(this.#dir, { recursive: true });
    await fsp.writeFile(draft, `${JSON.stringify(next, null, 2)}\n`);
    await fsp.rename(draft, file);
  }
}
