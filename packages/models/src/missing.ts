import type { ModelManifest } from '@cl-server/contract';

/** The file is nowhere and could not be fetched; the message says which file, its hash, where to put it, where it is from. */
export class ModelMissing extends Error {
  override readonly name = 'ModelMissing';
  constructor(
    readonly manifest: ModelManifest,
    readonly why: string,
  ) {
    super(adviceOn(manifest, why, 'MODELS_DIR'));
  }

  /** For those who may know the server's folders. */
  messageWith(folder: string): string {
    return adviceOn(this.manifest, this.why, folder);
  }
}

function adviceOn(manifest: ModelManifest, why: string, folder: string): string {
  const { id, file, size, sha256, license, source, urls } = manifest;
  const from = urls[0] ?? source;
  return (
    `model ${id} is missing: put ${file} (${size} bytes, SHA-256 ${sha256}; ${from}, licence ${license}) into ${folder} ` +
    `or run "cl-server models pull ${id}"${why ? `; the last try failed: ${why}` : ''}`
  );
}
