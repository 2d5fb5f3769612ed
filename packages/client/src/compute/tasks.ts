/** One namespace for each built-in task, its options and output typed from the contract. */
import type {
  clipEmbeddingTask,
  clipTextEmbeddingTask,
  dinoEmbeddingTask,
  exifTask,
  faceDetectionTask,
  faceEmbeddingTask,
  hashTask,
  hlsStreamingTask,
  ImageFormat,
  imageConversionTask,
  mediaThumbnailTask,
  TaskContract,
  TaskOptions,
  TaskOutput,
} from '@cl-server/contract';
import type { FileInput } from '../files/source.js';
import type { Fields } from '../http/body.js';
import type { JobHandle } from '../jobs/job-handle.js';
import type { JobsClient, SubmitOptions } from '../jobs/jobs-client.js';

/** Options of a task together with those of every submission. */
export type RunOptions<T, Wait extends boolean> = TaskOptions<T> & SubmitOptions<Wait>;

/**
 * Tells a submission's own options from the task's.
 * @internal
 */
export function splitOptions<Wait extends boolean>(
  options: SubmitOptions<Wait> & Fields,
): { submit: SubmitOptions<Wait>; params: Fields } {
  const { priority, wait, timeout, signal, onProgress, onComplete, onUploadProgress, idempotencyKey, ...params } =
    options;
  const submit = { priority, wait, timeout, signal, onProgress, onComplete, onUploadProgress, idempotencyKey };
  return { submit, params };
}

class TaskClient<T extends TaskContract> {
  readonly #jobs: JobsClient;
  readonly #type: string;

  constructor(jobs: JobsClient, type: string) {
    this.#jobs = jobs;
    this.#type = type;
  }

  /** @internal */
  protected submit<Wait extends boolean>(file: FileInput | undefined, options: object): JobHandle<TaskOutput<T>, Wait> {
    const { submit, params } = splitOptions<Wait>(options as SubmitOptions<Wait> & Fields);
    return this.#jobs.submit<TaskOutput<T>, Wait>(this.#type, file, params, submit);
  }
}

/** CLIP vectors of pictures. */
export class ClipEmbeddingClient extends TaskClient<typeof clipEmbeddingTask> {
  constructor(jobs: JobsClient) {
    super(jobs, 'clip_embedding');
  }

  /**
   * @example
   * ```ts
   * const job = await compute.clipEmbedding.embedImage('photo.jpg', { normalize: true });
   * const npy = await compute.jobs.bytes(job.job_id, String(job.params.output_path));
   * ```
   */
  embedImage<Wait extends boolean = true>(image: FileInput, options: RunOptions<typeof clipEmbeddingTask, Wait> = {}) {
    return this.submit<Wait>(image, options);
  }
}

/** CLIP vectors of texts, comparable with those of pictures. */
export class ClipTextEmbeddingClient extends TaskClient<typeof clipTextEmbeddingTask> {
  constructor(jobs: JobsClient) {
    super(jobs, 'clip_text_embedding');
  }

  /**
   * @example
   * ```ts
   * const { embedding } = await compute.clipText.embedText('a red bicycle', { priority: 10 }).output;
   * ```
   */
  embedText<Wait extends boolean = true>(
    text: string,
    options: Omit<RunOptions<typeof clipTextEmbeddingTask, Wait>, 'text'> = {},
  ) {
    return this.submit<Wait>(undefined, { ...options, text });
  }
}

/** DINOv2 vectors of pictures. */
export class DinoEmbeddingClient extends TaskClient<typeof dinoEmbeddingTask> {
  constructor(jobs: JobsClient) {
    super(jobs, 'dino_embedding');
  }

  /**
   * @example
   * ```ts
   * const { embedding_dim } = await compute.dinoEmbedding.embedImage('photo.jpg').output;
   * ```
   */
  embedImage<Wait extends boolean = true>(image: FileInput, options: RunOptions<typeof dinoEmbeddingTask, Wait> = {}) {
    return this.submit<Wait>(image, options);
  }
}

/** Metadata of files. */
export class ExifClient extends TaskClient<typeof exifTask> {
  constructor(jobs: JobsClient) {
    super(jobs, 'exif');
  }

  /**
   * @example
   * ```ts
   * const { make, model, captured_at } = await compute.exif.extract('photo.jpg').output;
   * ```
   */
  extract<Wait extends boolean = true>(file: FileInput, options: RunOptions<typeof exifTask, Wait> = {}) {
    return this.submit<Wait>(file, options);
  }
}

/** Faces of pictures. */
export class FaceDetectionClient extends TaskClient<typeof faceDetectionTask> {
  constructor(jobs: JobsClient) {
    super(jobs, 'face_detection');
  }

  /**
   * @example
   * ```ts
   * const { faces } = await compute.faceDetection.detect('group.jpg', { confidence_threshold: 0.8 }).output;
   * ```
   */
  detect<Wait extends boolean = true>(image: FileInput, options: RunOptions<typeof faceDetectionTask, Wait> = {}) {
    return this.submit<Wait>(image, options);
  }
}

/** Vectors of faces. */
export class FaceEmbeddingClient extends TaskClient<typeof faceEmbeddingTask> {
  constructor(jobs: JobsClient) {
    super(jobs, 'face_embedding');
  }

  /**
   * @example
   * ```ts
   * const { faces = [] } = await compute.faceEmbedding.embedFaces('group.jpg', { detect: true }).output;
   * ```
   */
  embedFaces<Wait extends boolean = true>(image: FileInput, options: RunOptions<typeof faceEmbeddingTask, Wait> = {}) {
    return this.submit<Wait>(image, options);
  }
}

/** Digests and perceptual hashes. */
export class HashClient extends TaskClient<typeof hashTask> {
  constructor(jobs: JobsClient) {
    super(jobs, 'hash');
  }

  /**
   * @example
   * ```ts
   * const [a, b] = await map(['a.jpg', 'b.jpg'], (file) => compute.hash.compute(file).output);
   * if (a?.phash && b?.phash) console.log(distance(a.phash, b.phash));
   * ```
   */
  compute<Wait extends boolean = true>(file: FileInput, options: RunOptions<typeof hashTask, Wait> = {}) {
    return this.submit<Wait>(file, options);
  }
}

/** Adaptive streams of videos. */
export class HlsStreamingClient extends TaskClient<typeof hlsStreamingTask> {
  constructor(jobs: JobsClient) {
    super(jobs, 'hls_streaming');
  }

  /**
   * @param video for one that the store keeps, ask the store for its stream instead
   * @example
   * ```ts
   * const job = await compute.hlsStreaming.generateManifest('film.mp4', { variants: [{ resolution: 720, bitrate: null }] });
   * console.log(job.task_output.master_playlist);
   * ```
   */
  generateManifest<Wait extends boolean = true>(
    video: FileInput | undefined,
    options: RunOptions<typeof hlsStreamingTask, Wait> = {},
  ) {
    return this.submit<Wait>(video, { include_original: true, ...options });
  }
}

/** Images in other formats. */
export class ImageConversionClient extends TaskClient<typeof imageConversionTask> {
  constructor(jobs: JobsClient) {
    super(jobs, 'image_conversion');
  }

  /**
   * @example
   * ```ts
   * const job = compute.imageConversion.convert('photo.heic', 'webp', { quality: 80 });
   * await job.download((await job.output).output_path, 'photo.webp');
   * ```
   */
  convert<Wait extends boolean = true>(
    image: FileInput,
    format: ImageFormat,
    options: Omit<RunOptions<typeof imageConversionTask, Wait>, 'format'> = {},
  ) {
    return this.submit<Wait>(image, { ...options, format });
  }
}

/** Small pictures of images, videos and songs. */
export class MediaThumbnailClient extends TaskClient<typeof mediaThumbnailTask> {
  constructor(jobs: JobsClient) {
    super(jobs, 'media_thumbnail');
  }

  /**
   * @example
   * ```ts
   * const job = compute.mediaThumbnail.generate('film.mp4', { width: 320, format: 'webp' });
   * await job.download((await job.output).output_path, 'film.webp');
   * ```
   */
  generate<Wait extends boolean = true>(media: FileInput, options: RunOptions<typeof mediaThumbnailTask, Wait> = {}) {
    return this.submit<Wait>(media, options);
  }
}
