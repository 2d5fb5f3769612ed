/** Checks whether a file is the model that its name says. A hash of 350 MB takes a second, so results are cached. */
import fsp from 'node:fs/promises';
import path from 'node:path';
import type { ModelManifest } from '@cl-server/contract';
import { digestFile } from '@cl-server/kit';

export const sha256File = async (file: string, signal?: AbortSignal): Promise<string> =>
  (await digestFile(file, ['sha256'], signal)).sha256;

interface Verified {
  readonly size: number;
  readonly mtimeMs: number;
  readonly sha256: string;
}

/**
 * Hashes by path, stored in `<dir>/.verified.json`; an entry is valid only while the size and time of the file stay the
 * same.
 */
export class VerifiedHashes {
  readonly #file: string;
  #entries: Map<string, Verified> | undefined;

  constructor(dir: string) {
    this.#file = path.join(dir, '.verified.json');
  }

  async #load(): Promise<Map<string, Verified>> {
    if (this.#entries) return this.#entries;
    try {
      this.#entries = new Map(Object.entries(JSON.parse(await fsp.readFile(this.#file, 'utf8'))));
    } catch {
      this.#entries = new Map(); // missing or damaged: it is only a cache
    }
    return this.#entries;
  }

  /** SHA-256 of a file, from the cache if the file is unchanged. */
  async of(file: string, signal?: AbortSignal): Promise<string> {
    const entries = await this.#load();
    const { size, mtimeMs } = await fsp.stat(file);
    const known = entries.get(file);
    if (known && known.size === size && known.mtimeMs === mtimeMs) return known.sha256;
    const sha256 = await sha256File(file, signal);
    entries.set(file, { size, mtimeMs, sha256 });
    await this.#save(entries).catch(() => undefined); // a read-only folder only costs the next start a second
    return sha256;
  }

  /** Removes the entry, so that the file is read again. */
  forget(file: string): void {
    this.#entries?.delete(file);
  }

  async #save(entries: Map<string, Verified>): Promise<void> {
    const draft = `${this.#file}.${process.pid}`;
    await fsp.writeFile(draft, JSON.stringify(Object.fromEntries(entries), null, 1));
    await fsp.rename(draft, this.#file);
  }
}

const accepted = (manifest: ModelManifest): readonly { size: number; sha256: string }[] => [
  { size: manifest.size, sha256: manifest.sha256 },
  ...manifest.equivalents,
];

/** Describes a file that is not the model; undefined if the file does not exist or is the model. */
export async function otherBytes(
  file: string,
  manifest: ModelManifest,
  hashes: VerifiedHashes,
): Promise<string | undefined> {
  const stat = await fsp.stat(file).catch(() => undefined);
  if (!stat || (await matches(file, manifest, hashes))) return undefined;
  if (!stat.isFile()) return 'it is a folder';
  if (!accepted(manifest).some(({ size }) => size === stat.size))
    return `it has ${stat.size} bytes instead of ${manifest.size}`;
  return `its SHA-256 is ${await hashes.of(file)} instead of ${manifest.sha256}`;
}

/** Whether the file has the bytes that the manifest names, or those of an equivalent. */
export async function matches(
  file: string,
  manifest: ModelManifest,
  hashes: VerifiedHashes,
  signal?: AbortSignal,
): Promise<boolean> {
  const stat = await fsp.stat(file).catch(() => undefined);
  if (!stat?.isFile()) return false;
  const candidates = accepted(manifest).filter(({ size }) => size === stat.size);
  if (candidates.length === 0) return false;
  const sha256 = await hashes.of(file, signal);
  return candidates.some((candidate) => candidate.sha256 === sha256);
}
