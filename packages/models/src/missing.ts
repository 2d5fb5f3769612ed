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
  const identity = size === undefined ? [] : [`${size} bytes`, `SHA-256 ${sha256}`];
  const facts = [...identity, source, `licence ${license}`].join(', ');
  const megabytes = size === undefined ? '' : ` (${Math.max(0.1, Math.round(size / 1e5) / 10)} MB)`;
  const reason = why ? `; ${why}` : '';
  // A model without a URL cannot be pulled.
  return url === undefined
    ? `model ${id} is missing: put ${file} (${facts}) into ${folder} or a folder below it, under this name${reason}`
    : `model ${id}${megabytes} is missing: run "cl-server models pull ${id}", or put ${file} from ${url} (${facts}) into ${folder}${reason}`;
}
