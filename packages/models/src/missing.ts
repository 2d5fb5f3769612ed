import type { ModelManifest } from '@cl-server/contract';

/** What is known of a file that is not there. */
export type MissingFile = Pick<ModelManifest, 'id' | 'file' | 'license' | 'source' | 'urls'> &
  Partial<Pick<ModelManifest, 'size' | 'sha256'>>;

/** The file is nowhere and could not be fetched; the message says which file, its hash, where to put it, where it is from. */
export class ModelMissing extends Error {
  override readonly name = 'ModelMissing';
  constructor(
    readonly missing: MissingFile,
    readonly why: string,
  ) {
    super(adviceOn(missing, why, 'MODELS_DIR'));
  }

  /** For those who may know the server's folders. */
  messageWith(folder: string): string {
    return adviceOn(this.missing, this.why, folder);
  }
}

function adviceOn({ id, file, size, sha256, license, source, urls }: MissingFile, why: string, folder: string): string {
  const [url] = urls;
  const bytes = size === undefined ? [] : [`${size} bytes, SHA-256 ${sha256}; `];
  // What has no URL cannot be pulled.
  const otherwise = url === undefined ? 'a folder below it, under this name' : `run "cl-server models pull ${id}"`;
  return (
    `model ${id} is missing: put ${file} (${bytes.join('')}${url ?? source}, licence ${license}) into ${folder} ` +
    `or ${otherwise}${why ? `; ${why}` : ''}`
  );
}
