/** The input of an insight's job: the entity's file, a frame of it, or the crop of a face. */

import path from 'node:path';
import { isNotFound } from '@cl-server/blobs';
import type { CreationRequest } from '@cl-server/job-routes';
import { evenTimes, mediaInput, pictureTrack, probe as probeFile, sharp, videoFrame } from '@cl-server/media';
import { notFound } from '@cl-server/service-kit';
import type { Content, EntityFeed, InsightDatabase, MediaStore } from './port.js';

export type JobInput = NonNullable<CreationRequest['input']>;

/** All methods throw an HttpError or a MediaError if there is no such input, or it cannot be made. */
export interface InputSource {
  file(entityId: number): Promise<JobInput>;
  /** One of `count` frames that are spread over the whole length of a video. */
  frame(entityId: number, frame: number, count: number): Promise<JobInput>;
  face(faceId: number): Promise<JobInput>;
}

export interface InsightInput {
  /** Subjects that are planned for each entity; none if another insight finds them. */
  readonly subjects: readonly string[];
  read(source: InputSource, entityId: number, subject: string): Promise<JobInput>;
}

export const wholeFile: InsightInput = {
  subjects: [''],
  read: (source, entityId) => source.file(entityId),
};

export const frames = (count: number): InsightInput => ({
  subjects: Array.from({ length: count }, (_, frame) => String(frame)),
  read: (source, entityId, subject) => source.frame(entityId, Number(subject), count),
});

/** For insights that follow the detection of faces. */
export const faceCrops: InsightInput = {
  subjects: [],
  read: (source, _entityId, subject) => source.face(Number(subject)),
};

export interface InputOptions {
  readonly db: InsightDatabase;
  readonly feed: EntityFeed;
  readonly media: MediaStore;
  readonly tools: { readonly ffmpeg: string | undefined; readonly ffprobe: string | undefined };
}

/** Longer side of a frame in pixels: more than any model takes. */
const FRAME_SIDE = 640;

/** Gives a file that is gone an error that the dispatcher understands. */
function missing(cause: unknown): never {
  throw isNotFound(cause) ? notFound('the file is missing', { cause }) : cause;
}

export class EntityInputs implements InputSource {
  readonly #options: InputOptions;

  constructor(options: InputOptions) {
    this.#options = options;
  }

  async file(entityId: number): Promise<JobInput> {
    const { path: file, name, size, sha256 } = await this.#content(entityId);
    return { name, size, source: { path: file, sha256 } };
  }

  async #content(entityId: number): Promise<Content> {
    const content = await this.#options.feed.content(entityId).catch(missing);
    if (!content) throw notFound('the entity has no file');
    return content;
  }

  async face(faceId: number): Promise<JobInput> {
    const row = await this.#options.db
      .selectFrom('faces')
      .select('file_path')
      .where('id', '=', faceId)
      .executeTakeFirst();
    if (!row || row.file_path === '') throw notFound('the face was not cut out');
    const { blobs } = this.#options.media;
    const [file, info] = await Promise.all([blobs.localFile(row.file_path).catch(missing), blobs.head(row.file_path)]);
    if (!info) throw notFound('the file is missing');
    return { name: path.basename(row.file_path), size: info.size, source: { path: file } };
  }

  async frame(entityId: number, frame: number, count: number): Promise<JobInput> {
    const { ffmpeg, ffprobe } = this.#options.tools;
    if (ffmpeg === undefined || ffprobe === undefined)
      throw Object.assign(notFound('ffmpeg and ffprobe are needed for videos'), { code: 'tool_missing' });
    const input = await mediaInput((await this.#content(entityId)).path);
    const probe = await probeFile(input, { ffprobe });
    const track = pictureTrack(probe);
    const { width, height } = track;
    const scale = Math.min(1, FRAME_SIDE / Math.max(width, height, 1));
    const size = { width: Math.max(2, Math.round(width * scale)), height: Math.max(2, Math.round(height * scale)) };
    const time = evenTimes(probe.duration, count)[frame] ?? 0;
    const { pixels } = await videoFrame(input, { ...size, track, time }, { ffmpeg });
    const png = await sharp(pixels, { raw: { ...size, channels: 3 } })
      .png({ compressionLevel: 1 })
      .toBuffer();
    return { name: `frame_${frame}.png`, size: png.length, source: png };
  }
}
