/** Small upright PNGs of images and videos, made when first asked for and kept beside the media. */
import { randomUUID } from 'node:crypto';
import fs from 'node:fs/promises';
import path from 'node:path';
import {
  extractCover,
  type ImageThumbnailOptions,
  imageThumbnail,
  MediaError,
  mediaInput,
  probe,
  videoThumbnail,
} from '@cl-server/media';
import { notFound, unprocessable } from '@cl-server/runtime';
import type { EntityRow } from '../database/tables.js';
import { KeyedLock } from './keyed-lock.js';
import type { MediaFolder } from './media-folder.js';
import { PREVIEW, previewFile } from './preview-file.js';

export interface PreviewOptions {
  readonly folder: MediaFolder;
  /** Programs; absent where they are not installed. */
  readonly ffmpeg: string | undefined;
  readonly ffprobe: string | undefined;
  readonly maxPixels: number;
  /** Told of a content whose picture turned out to be damaged. */
  readonly onDamage?: (sha256: string, remark: string) => Promise<void>;
}

/** Pictures that are decoded at once; each can take hundreds of megabytes. */
const LANES = 2;

export type PreviewSource = Pick<EntityRow, 'sha256' | 'type' | 'file_path'>;

export class Previews {
  readonly #options: PreviewOptions;
  readonly #byContent = new KeyedLock();
  readonly #lanes = new KeyedLock();
  #nextLane = 0;

  constructor(options: PreviewOptions) {
    this.#options = options;
  }

  /**
   * @param force make it anew
   * @returns absolute path of a PNG
   * @throws HttpError 404 where the file has no picture to show, 422 where it cannot be decoded
   */
  async of({ sha256, file_path, type }: PreviewSource, force: boolean): Promise<string> {
    if (sha256 === null || file_path === null) throw notFound('Media file not found');
    const target = previewFile(this.#options.folder, sha256);
    return this.#byContent.run(sha256, async () => {
      if (!force && (await exists(target))) return target;
      const source = this.#options.folder.resolve(file_path);
      if (!(await exists(source))) throw notFound('Media file not found');
      const lane = String(this.#nextLane++ % LANES);
      await this.#lanes.run(lane, () => this.#make(sha256, source, type, target));
      return target;
    });
  }

  /** The content is gone, so its preview goes. */
  async remove(sha256: string): Promise<void> {
    await fs.rm(previewFile(this.#options.folder, sha256), { force: true });
  }

  async #make(sha256: string, source: string, type: string | null, target: string): Promise<void> {
    await fs.mkdir(path.dirname(target), { recursive: true, mode: 0o750 });
    const draft = `${target}.${randomUUID()}`;
    try {
      let damage: string | null = null;
      if (type === 'image') damage = await this.#image(source, draft);
      else if (type === 'video' || type === 'audio') await this.#frame(source, draft);
      else throw notFound('Preview file not found', { code: 'no_preview' });
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

  /** @returns what is wrong with the picture */
  async #image(source: string, target: string): Promise<string | null> {
    const options: ImageThumbnailOptions = { ...PREVIEW, maxPixels: this.#options.maxPixels };
    const { damage } = await imageThumbnail(source, target, options);
    return damage;
  }

  /** A frame of a video; of a song its cover. */
  async #frame(source: string, target: string): Promise<void> {
    const { ffmpeg, ffprobe, maxPixels } = this.#options;
    if (ffmpeg === undefined || ffprobe === undefined)
      throw new MediaError(
        'tool_missing',
        'ffmpeg and ffprobe are needed for previews of videos and are not installed',
      );
    const input = await mediaInput(source);
    const info = await probe(input, { ffprobe });
    if (info.video) {
      await videoThumbnail(input, info, target, { ...PREVIEW, ffmpeg, maxPixels });
      return;
    }
    const cover = `${target}.cover`;
    try {
      await extractCover(input, info, cover, { ffmpeg, maxPixels });
      await this.#image(cover, target);
    } finally {
      await fs.rm(cover, { force: true });
    }
  }
}

const exists = (file: string): Promise<boolean> =>
  fs.access(file).then(
    () => true,
    () => false,
  );
