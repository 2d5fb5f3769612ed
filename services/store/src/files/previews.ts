/** Small upright PNGs of images and videos, made when first asked for and kept beside the media. */

import { randomUUID } from 'node:crypto';
import fs from 'node:fs/promises';
import path from 'node:path';
import { exists, KeyedLock } from '@cl-server/kit';
import { MediaError } from '@cl-server/media';
import { notFound, unprocessable } from '@cl-server/service-kit';
import type { EntityRow } from '../database/tables.js';
import type { MediaReading } from '../media/reading.js';
import type { MediaFolder } from './media-folder.js';
import { previewFile } from './preview-file.js';

export interface PreviewOptions {
  readonly folder: MediaFolder;
  readonly reading: Pick<MediaReading, 'preview'>;
  /** Told of a content whose picture turned out to be damaged. */
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
   * @param force make it anew
   * @returns absolute path of a PNG
   * @throws HttpError 404 where the file has no picture to show, 422 where it cannot be decoded, 503 where too many wait
   */
  async of({ sha256, file_path, type }: PreviewSource, force: boolean): Promise<string> {
    if (sha256 === null || file_path === null) throw notFound('Media file not found');
    const target = previewFile(this.#options.folder, sha256);
    return this.#byContent.run(sha256, async () => {
      if (!force && (await exists(target))) return target;
      const source = this.#options.folder.resolve(file_path);
      if (!(await exists(source))) throw notFound('Media file not found');
      await this.#make(sha256, source, type, target);
      return target;
    });
  }

  /** The content is gone, so its preview goes. */
  async remove(sha256: string): Promise<void> {
    // One that is being made is waited for.
    await this.#byContent.run(sha256, () => fs.rm(previewFile(this.#options.folder, sha256), { force: true }));
  }

  async #make(sha256: string, source: string, type: string | null, target: string): Promise<void> {
    await fs.mkdir(path.dirname(target), { recursive: true, mode: 0o750 });
    const draft = `${target}.${randomUUID()}`;
    try {
      if (!SHOWN.has(type ?? '')) throw notFound('Preview file not found', { code: 'no_preview' });
      const damage = await this.#options.reading.preview({ file: source, type, target: draft });
      await fs.rename(draft, target);
      if (damage !== null) await this.#options.onDamage?.(sha256, damage);
    } catch (error) {
      if (!(error instanceof MediaError)) throw error;
      if (error.code === 'unsupported_media')
        throw notFound(`Preview file not found: ${error.message}`, { cause: error });
      throw unprocessable(`Failed to generate preview: ${error.message}`, { cause: error });
    } finally {
      await fs.rm(draft, { force: true });
    }
  }
}
