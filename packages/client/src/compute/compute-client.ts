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
import {
  ClipEmbeddingClient,
  ClipTextEmbeddingClient,
  DinoEmbeddingClient,
  ExifClient,
  FaceDetectionClient,
  FaceEmbeddingClient,
  HashClient,
  HlsStreamingClient,
  ImageConversionClient,
  MediaThumbnailClient,
  splitOptions,
} from './tasks.js';
import { WorkersClient } from './workers-client.js';

/** A way in which the ends of jobs are heard of. Polling needs no name: it is what is left when these fail. */
export type Transport = 'mqtt' | 'sse';

export interface ComputeClientOptions extends HttpClientOptions {
  /** Without it jobs are followed over HTTP alone. */
  readonly mqtt?: MqttConnection | undefined;
  /** In order of preference; empty: polling. Default `['mqtt', 'sse']`. */
  readonly transports?: readonly Transport[] | undefined;
  readonly poll?: PollPolicy | undefined;
  /** Where the server's own settings differ. */
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
  readonly clipEmbedding: ClipEmbeddingClient;
  readonly clipText: ClipTextEmbeddingClient;
  readonly dinoEmbedding: DinoEmbeddingClient;
  readonly exif: ExifClient;
  readonly faceDetection: FaceDetectionClient;
  readonly faceEmbedding: FaceEmbeddingClient;
  readonly hash: HashClient;
  readonly hlsStreaming: HlsStreamingClient;
  readonly imageConversion: ImageConversionClient;
  readonly mediaThumbnail: MediaThumbnailClient;

  constructor(options: ComputeClientOptions) {
    this.http = new HttpClient(options);
    this.jobs = new JobsClient({ http: this.http, channels: jobChannels(this.http, options), poll: options.poll });
    this.workers = new WorkersClient(this.http, options.mqtt, options.topics?.workers);
    this.admin = new ComputeAdminClient(this.http);
    this.system = new SystemClient(this.http);
    this.clipEmbedding = new ClipEmbeddingClient(this.jobs);
    this.clipText = new ClipTextEmbeddingClient(this.jobs);
    this.dinoEmbedding = new DinoEmbeddingClient(this.jobs);
    this.exif = new ExifClient(this.jobs);
    this.faceDetection = new FaceDetectionClient(this.jobs);
    this.faceEmbedding = new FaceEmbeddingClient(this.jobs);
    this.hash = new HashClient(this.jobs);
    this.hlsStreaming = new HlsStreamingClient(this.jobs);
    this.imageConversion = new ImageConversionClient(this.jobs);
    this.mediaThumbnail = new MediaThumbnailClient(this.jobs);
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
