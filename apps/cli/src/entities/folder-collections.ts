/** Finds or creates the collections that stand for folders, so that a second upload of the same folders uses them again. */
import type { EntitiesClient } from '@cl-server/client';
import { collectionsIn, pathOf } from './resolve-collection.js';

/** A collection that an entity belongs into. */
export interface Target {
  /** Undefined if it does not exist and nothing may be created. */
  readonly id: number | undefined;
  /** The path of the collection, for messages. */
  readonly path: string;
}

interface FolderCollectionsOptions {
  readonly entities: EntitiesClient;
  readonly call: { readonly signal: AbortSignal };
  /** Whether missing collections are only counted. */
  readonly dryRun: boolean;
}

export class FolderCollections {
  readonly #options: FolderCollectionsOptions;
  /** The collections by the names of their folders. A promise, so that several files of one folder create it once. */
  readonly #known = new Map<string, Promise<Target>>();
  #created = 0;

  constructor(options: FolderCollectionsOptions) {
    this.#options = options;
  }

  /** The number of collections that were created, or would be. */
  get created(): number {
    return this.#created;
  }

  /** @param parent the collection in which the outermost folder is; undefined: outside of collections */
  async of(folders: readonly string[], parent: Target | undefined): Promise<Target | undefined> {
    const name = folders.at(-1);
    if (name === undefined) return parent;
    const key = JSON.stringify(folders);
    const known =
      this.#known.get(key) ?? this.of(folders.slice(0, -1), parent).then((above) => this.#find(name, above));
    this.#known.set(key, known);
    return known;
  }

  async #find(name: string, above: Target | undefined): Promise<Target> {
    const { entities, call, dryRun } = this.#options;
    const target = (id: number | undefined): Target => ({ id, path: above ? `${above.path}/${name}` : name });
    const exists = above === undefined || above.id !== undefined;
    const found = exists ? await collectionsIn(entities, above?.id ?? null, name, call) : [];
    // If there are several of this name, every run has to choose the same one.
    const [oldest] = found.sort((a, b) => a.id - b.id);
    if (oldest) return target(oldest.id);
    this.#created += 1;
    if (dryRun) return target(undefined);
    return target((await entities.createCollection({ label: name, parent_id: above?.id }, call)).id);
  }
}

/** Returns the path of a collection by its id; each is asked for once. */
export function collectionPaths(entities: EntitiesClient, call: { readonly signal: AbortSignal }) {
  const known = new Map<number, Promise<string>>();
  return (id: number): Promise<string> => {
    const path = known.get(id) ?? entities.get(id, call).then((entity) => pathOf(entities, entity, call));
    known.set(id, path);
    return path;
  };
}
