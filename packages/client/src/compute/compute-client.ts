import type { ComputeRoot } from '@cl-server/contract';
import { TOPICS } from '@cl-server/contract/constants';
import type { FileInput } from '../files/source.js';
import type { Fields } from '../http/body.js';
import { HttpClient, type HttpClientOptions } from '../http/http-client.js';
import { SystemClient } from '../http/system-client.js';
import type { JobChannel } from '../jobs/channel.js';
import type { PollPolicy } from '../jobs/follow.js';
import type { JobHandle } from '../jobs/job-handle.js';
import { JobsClient, type SubmitOptions } from '../jobs/jobs-client.js';
import { MqttJobChannel } from '../jobs/mqtt-channel.js';
import { SseJobChannel } from '../jobs/sse-channel.js';
import type { MqttConnection } from '../mqtt/connection.js';
import { ComputeAdminClient } from './admin-client.js';
import { splitOptions, type TaskClient, taskClient } from './tasks.js';
import { WorkersClient } from './workers-client.js';

/** A way in which the ends of jobs are heard of. Polling needs no name: it is what is left when these fail. */
export type Transport = 'mqtt' | 'sse';

export interface ComputeClientOptions extends HttpClientOptions {
  /** Without it jobs are followed over HTTP alone. */
  readonly mqtt?: MqttConnection | undefined;
  /** In order of preference; empty: polling. Default `['mqtt', 'sse']`. */
  readonly transports?: readonly Transport[] | undefined;
  readonly poll?: PollPolicy | undefined;
  /** Settings that differ from those of the server. */
  readonly topics?: { readonly jobEvents?: string | undefined; readonly workers?: string | undefined } | undefined;
}

/** The channels that a list of transports stands for. */
export function jobChannels(
  http: HttpClient,
  { mqtt, transports = ['mqtt', 'sse'], topics }: Pick<ComputeClientOptions, 'mqtt' | 'transports' | 'topics'>,
): JobChannel[] {
  return transports.flatMap((transport): JobChannel[] => {
    if (transport === 'sse') return [new SseJobChannel(http)];
    return mqtt ? [new MqttJobChannel(mqtt, topics?.jobEvents ?? TOPICS.jobEvents)] : [];
  });
}

/**
 * The compute service: jobs, and a namespace for each built-in task.
 *
 * @example
 * ```ts
 * const compute = new ComputeClient({ baseUrl: 'http://localhost:8002', auth: session });
 * const { phash } = await compute.hash.compute('photo.jpg').output;
 * ```
 */
export class ComputeClient {
  readonly http: HttpClient;
  readonly jobs: JobsClient;
  readonly workers: WorkersClient;
  readonly admin: ComputeAdminClient;
  readonly system: SystemClient<ComputeRoot>;
  /**
   * CLIP vectors of pictures.
   *
   * @example
   * ```ts
   * const job = await compute.clipEmbedding.embedImage('photo.jpg', { normalize: true });
   * const npy = await compute.jobs.bytes(job.job_id, String(job.params.output_path));
   * ```
   */
  readonly clipEmbedding: TaskClient<'clip_embedding', 'embedImage'>;
  /**
   * CLIP vectors of texts, comparable with those of pictures.
   *
   * @example
   * ```ts
   * const { embedding } = await compute.clipText.embedText('a red bicycle', { priority: 10 }).output;
   * ```
   */
  readonly clipText: TaskClient<'clip_text_embedding', 'embedText'>;
  /**
   * DINOv2 vectors of pictures.
   *
   * @example
   * ```ts
   * const { embedding_dim } = await compute.dinoEmbedding.embedImage('photo.jpg').output;
   * ```
   */
  readonly dinoEmbedding: TaskClient<'dino_embedding', 'embedImage'>;
  /**
   * Metadata of files.
   *
   * @example
   * ```ts
   * const { make, model, captured_at } = await compute.exif.extract('photo.jpg').output;
   * ```
   */
  readonly exif: TaskClient<'exif', 'extract'>;
  /**
   * Faces of pictures.
   *
   * @example
   * ```ts
   * const { faces } = await compute.faceDetection.detect('group.jpg', { confidence_threshold: 0.8 }).output;
   * ```
   */
  readonly faceDetection: TaskClient<'face_detection', 'detect'>;
  /**
   * Vectors of faces.
   *
   * @example
   * ```ts
   * const { faces = [] } = await compute.faceEmbedding.embedFaces('group.jpg', { detect: true }).output;
   * ```
   */
  readonly faceEmbedding: TaskClient<'face_embedding', 'embedFaces'>;
  /**
   * Digests and perceptual hashes.
   *
   * @example
   * ```ts
   * const [a, b] = await map(['a.jpg', 'b.jpg'], (file) => compute.hash.compute(file).output);
   * if (a?.phash && b?.phash) console.log(distance(a.phash, b.phash));
   * ```
   */
  readonly hash: TaskClient<'hash', 'compute'>;
  /**
   * Adaptive streams of videos.
   * Ask the store for the stream of a video that it keeps.
   *
   * @example
   * ```ts
   * const job = await compute.hlsStreaming.generateManifest('film.mp4', { variants: [{ resolution: 720, bitrate: null }] });
   * console.log(job.task_output.master_playlist);
   * ```
   */
  readonly hlsStreaming: TaskClient<'hls_streaming', 'generateManifest'>;
  /**
   * Images in other formats.
   *
   * @example
   * ```ts
   * const job = compute.imageConversion.convert('photo.heic', 'webp', { quality: 80 });
   * await job.download((await job.output).output_path, 'photo.webp');
   * ```
   */
  readonly imageConversion: TaskClient<'image_conversion', 'convert'>;
  /**
   * Small pictures of images, videos and songs.
   *
   * @example
   * ```ts
   * const job = compute.mediaThumbnail.generate('film.mp4', { width: 320, format: 'webp' });
   * await job.download((await job.output).output_path, 'film.webp');
   * ```
   */
  readonly mediaThumbnail: TaskClient<'media_thumbnail', 'generate'>;

  constructor(options: ComputeClientOptions) {
    this.http = new HttpClient(options);
    this.jobs = new JobsClient({ http: this.http, channels: jobChannels(this.http, options), poll: options.poll });
    this.workers = new WorkersClient(this.http, options.mqtt, options.topics?.workers);
    this.admin = new ComputeAdminClient(this.http);
    this.system = new SystemClient(this.http);
    this.clipEmbedding = taskClient(this.jobs, { task: 'clip_embedding', method: 'embedImage', args: ['file'] });
    this.clipText = taskClient(this.jobs, { task: 'clip_text_embedding', method: 'embedText', args: ['text'] });
    this.dinoEmbedding = taskClient(this.jobs, { task: 'dino_embedding', method: 'embedImage', args: ['file'] });
    this.exif = taskClient(this.jobs, { task: 'exif', method: 'extract', args: ['file'] });
    this.faceDetection = taskClient(this.jobs, { task: 'face_detection', method: 'detect', args: ['file'] });
    this.faceEmbedding = taskClient(this.jobs, { task: 'face_embedding', method: 'embedFaces', args: ['file'] });
    this.hash = taskClient(this.jobs, { task: 'hash', method: 'compute', args: ['file'] });
    this.hlsStreaming = taskClient(this.jobs, {
      task: 'hls_streaming',
      method: 'generateManifest',
      args: ['file'],
      defaults: { include_original: true },
    });
    this.imageConversion = taskClient(this.jobs, {
      task: 'image_conversion',
      method: 'convert',
      args: ['file', 'format'],
    });
    this.mediaThumbnail = taskClient(this.jobs, { task: 'media_thumbnail', method: 'generate', args: ['file'] });
  }

  /**
   * Runs any task, a plugin's too. The task's own fields stand beside the submission's options.
   * @param file undefined where the task takes none
   *
   * @example
   * ```ts
   * const { task_output } = await compute.run('my_task', 'photo.jpg', { strength: 3, priority: 8 });
   * ```
   */
  run<Output = Record<string, unknown>, Wait extends boolean = true>(
    task: string,
    file?: FileInput,
    options: SubmitOptions<Wait> & Fields = {},
  ): JobHandle<Output, Wait> {
    const { submit, params } = splitOptions<Wait>(options);
    return this.jobs.submit<Output, Wait>(task, file, params, submit);
  }

  /**
   * Ends all subscriptions. A shared MQTT connection is its owner's to close.
   *
   * @example
   * ```ts
   * compute.close();
   * ```
   */
  close(): void {
    this.jobs.close();
  }
}
