/** Plans which files are downloaded to which paths: collections become folders. */
import path from 'node:path';
import type { EntitiesClient, Entity } from '@cl-server/client';

export interface PlannedFile {
  readonly entity: Entity;
  /** The path below the destination. */
  readonly name: string;
}

/** Makes a name from the server safe: it must not lead out of the folder. */
export function safeName(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these do not belong into a file name
  const name = text.replace(/[/\\\u0000-\u001f\u007f]/g, '_').trim();
  return name === '' || /^\.+$/.test(name) ? '_' : name;
}

/** The name under which the file of an entity is saved. */
export function fileNameOf({ id, file_name, label, extension }: Entity): string {
  if (file_name) return safeName(path.posix.basename(file_name));
  const name = label ? safeName(label) : String(id);
  return extension && !name.toLowerCase().endsWith(`.${extension.toLowerCase()}`) ? `${name}.${extension}` : name;
}

/** Gives every file of a folder its own name: of two files with one name, the second gets its id. */
class Names {
  readonly #taken = new Set<string>();

  claim(folder: string, name: string, id: number): string {
    // Many file systems do not distinguish upper and lower case.
    const key = (text: string): string => path.posix.join(folder, text).normalize('NFC').toLowerCase();
    const { name: stem, ext } = path.posix.parse(name);
    const free = this.#taken.has(key(name)) ? `${stem} (${id})${ext}` : name;
    this.#taken.add(key(free));
    return path.posix.join(folder, free);
  }
}

/** Yields the files to download, and those of collections with all collections in them. */
export async function* downloadPlan(
  entities: EntitiesClient,
  roots: Iterable<Entity> | AsyncIterable<Entity>,
  call: { readonly signal: AbortSignal },
): AsyncGenerator<PlannedFile> {
  const names = new Names();
  async function* below(items: Iterable<Entity> | AsyncIterable<Entity>, folder: string): AsyncGenerator<PlannedFile> {
    for await (const entity of items) {
      if (!entity.is_collection) {
        yield { entity, name: names.claim(folder, fileNameOf(entity), entity.id) };
        continue;
      }
      const inside = names.claim(folder, safeName(entity.label ?? String(entity.id)), entity.id);
      yield* below(entities.list({ parent_id: entity.id, exclude_deleted: true }, call), inside);
    }
  }
  yield* below(roots, '');
}
