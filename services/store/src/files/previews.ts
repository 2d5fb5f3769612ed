/** Small upright PNGs of images and videos, made on the first request and kept beside the media. */

import { type BlobStore, isNotFound } from '@cl-server/blobs';
import { KeyedLock } from '@cl-server/kit';
import { MediaError } from '@cl-server/media';
import { notFound, unprocessable } from '@cl-server/service-kit';
import type { EntityRow } from '../database/tables.js';
import type { MediaReading } from '../media/reading.js';
import { previewKey } from './preview-file.js';

export interface PreviewOptions {
  readonly blobs: BlobStore;
  readonly reading: Pick<MediaReading, 'preview'>;
  /** Called for a content whose picture turned out to be damaged. */
  readonly onDamage?: (sha256: string, remark: string) => Promise<void>;
}

/** Types of entities that have a picture. */
const SHOWN = new Set(['image', 'video', 'audio']);

export type PreviewSource = Pick<EntityRow, 'sha256' | 'type' | 'file_path'>;

export class Previews {
  readonly #options: PreviewOptions;
  readonly #byContent = new KeyedLock();

  constructor(options: PreviewOptions) {
    this.#options = options;
  }

  /**
   * @param force make it again
   * @returns key of a PNG
   * @throws HttpError 404 if the file has no picture to show, 422 if it cannot be decoded, 503 if too many wait
   */
  async of({ sha256, file_path, type }: PreviewSource, force: boolean): Promise<string> {
    if (sha256 === null || file_path === null) throw notFound('Media file not found');
    const key = previewKey(sha256);
    const { blobs } = this.#options;
    return this.#byContent.run(sha256, async () => {
      if (!force && (await blobs.head(key))) return key;
      const file = await blobs.localFile(file_path).catch((error: unknown) => {
        throw isNotFound(error) ? notFound('Media file not found', { cause: error }) : error;
      });
      await this.#make(sha256, file, type, key);
      return key;
    });
  }

  /** Removes the preview of a deleted content. */
  async remove(sha256: string): Promise<void> {
    // Waits for a preview that is being made.
    await this.#byContent.run(sha256, () => this.#options.blobs.delete(previewKey(sha256)));
  }

  async #make(sha256: string, file: string, type: string | null, key: string): Promise<void> {
    const { blobs, reading, onDamage } = this.#options;
    if (!SHOWN.has(type ?? '')) throw notFound('Preview file not found', { code: 'no_preview' });
    await using draft = await blobs.draft();
    try {
      const damage = await reading.preview({ file, type, target: draft.path });
      await blobs.putFile(key, draft.path, { isDurable: false });
      if (damage !== null) await onDamage?.(sha256, damage);
    } catch (error) {
      if (!(error instanceof MediaError)) throw error;
      if (error.code === 'unsupported_media')
        throw notFound(`Preview file not found: ${error.message}`, { cause: error });
      throw unprocessable(`Failed to generate preview: ${error.message}`, { cause: error });
    }
  }
}
