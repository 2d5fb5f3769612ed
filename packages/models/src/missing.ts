/** The error about a missing model file, with advice. */
import type { ModelManifest } from '@cl-server/contract';

/** Facts about a missing file. */
export type MissingFile = Pick<ModelManifest, 'id' | 'file' | 'license' | 'source' | 'urls'> &
  Partial<Pick<ModelManifest, 'size' | 'sha256'>>;

/**
 * The file does not exist and could not be downloaded. The message names the file, its hash, its place and its source.
 */
export class ModelMissing extends Error {
  override readonly name = 'ModelMissing';
  constructor(
    readonly missing: MissingFile,
    readonly why: string,
  ) {
    super(adviceOn(missing, why, 'MODELS_DIR'));
  }

  /** The message with the name of the server's folder, for readers who may know it. */
  messageWith(folder: string): string {
    return adviceOn(this.missing, this.why, folder);
  }
}

function adviceOn({ id, file, size, sha256, license, source, urls }: MissingFile, why: string, folder: string): string {
  const [url] = urls;
  const bytes = size === undefined ? [] : [`${size} bytes, SHA-256 ${sha256}; `];
  // A model without a URL cannot be pulled.
  const otherwise = url === undefined ? 'a folder below it, under this name' : `run "cl-server models pull ${id}"`;
  return (
    `model ${id} is missing: put ${file} (${bytes.join('')}${url ?? source}, licence ${license}) into ${folder} ` +
    `or ${otherwise}${why ? `; ${why}` : ''}`
  );
}
