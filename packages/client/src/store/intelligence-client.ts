import type {
  deleteFace,
  EntityJob,
  EntityStatusEvent,
  Face,
  getClipEmbedding,
  getDinoEmbedding,
  getEntityFaces,
  getEntityJobs,
  getEntityVector,
  getFaceEmbedding,
  getInsightResults,
  getInsightStatus,
  getIntelligence,
  InsightResult,
  InsightStatus,
  Intelligence,
  retryIntelligence,
} from '@cl-server/contract';
import { ClError, NetworkError, TimeoutError } from '../errors.js';
import { messageReader } from '../events/messages.js';
import { type Downloaded, type DownloadOptions, downloadBytes, downloadToFile } from '../files/download.js';
import { pause } from '../http/deadline.js';
import type { CallOptions, HttpClient } from '../http/http-client.js';
import { type RequestSpec, requestOf } from '../http/request.js';
import type { MqttConnection } from '../mqtt/connection.js';
import type { TopicsOfStore } from './topics.js';

export interface EntityWaitOptions {
  /** Milliseconds to wait. Default 60,000. */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called with each state. */
  readonly onProgress?: ((intelligence: Intelligence) => void) | undefined;
}

/** The analysis of an entity failed. */
export class InsightFailedError extends ClError {
  override readonly name: string = 'InsightFailedError';
  readonly intelligence: Intelligence;
  constructor(entityId: number, intelligence: Intelligence) {
    super(
      `The analysis of entity ${entityId} failed: ${intelligence.error_message ?? 'no reason given'}`,
      'insight_failed',
    );
    this.intelligence = intelligence;
  }
}

/** Which of an entity's vectors: a built-in one, or the kind of an insight of a plugin. */
export type EmbeddingKind = 'clip' | 'dino' | (string & {});

const ENDED: ReadonlySet<string> = new Set(['completed', 'failed']);

const SLOW_LOOK = 5_000;
const FAST_LOOK = 1_000;

/** The insights of entities. */
export class IntelligenceClient {
  readonly #http: HttpClient;
  readonly #topics: TopicsOfStore;
  readonly #mqtt: MqttConnection | undefined;

  constructor(http: HttpClient, topics: TopicsOfStore, mqtt?: MqttConnection) {
    this.#http = http;
    this.#topics = topics;
    this.#mqtt = mqtt;
  }

  /**
   * State of the insight worker; null before it was ever heard of. For admins.
   *
   * @example
   * ```ts
   * const insight = await store.intelligence.status();
   * ```
   */
  status(options?: CallOptions): Promise<InsightStatus | null> {
    return this.#http.call<typeof getInsightStatus>({ method: 'GET', path: '/m_insight/status' }, options);
  }

  /**
   * State of the analysis of an entity; null before any work was planned.
   *
   * @example
   * ```ts
   * const state = await store.intelligence.get(7);
   * ```
   */
  get(entityId: number, options?: CallOptions): Promise<Intelligence | null> {
    return this.#http.call<typeof getIntelligence>(
      { method: 'GET', path: '/intelligence/entities/{entity_id}', params: { entity_id: entityId } },
      options,
    );
  }

  /**
   * @example
   * ```ts
   * for (const { id, known_person_id } of await store.intelligence.faces(7)) console.log(id, known_person_id);
   * ```
   */
  faces(entityId: number, options?: CallOptions): Promise<Face[]> {
    return this.#http.call<typeof getEntityFaces>(
      { method: 'GET', path: '/intelligence/entities/{entity_id}/faces', params: { entity_id: entityId } },
      options,
    );
  }

  /**
   * Jobs done for an entity: the running ones, then the ended ones.
   *
   * @example
   * ```ts
   * const jobs = await store.intelligence.jobs(7);
   * ```
   */
  jobs(entityId: number, options?: CallOptions): Promise<EntityJob[]> {
    return this.#http.call<typeof getEntityJobs>(
      { method: 'GET', path: '/intelligence/entities/{entity_id}/jobs', params: { entity_id: entityId } },
      options,
    );
  }

  /**
   * Results of the insights that plugins add.
   *
   * @example
   * ```ts
   * const results = await store.intelligence.results(7);
   * ```
   */
  results(entityId: number, options?: CallOptions): Promise<InsightResult[]> {
    return this.#http.call<typeof getInsightResults>(
      { method: 'GET', path: '/intelligence/entities/{entity_id}/results', params: { entity_id: entityId } },
      options,
    );
  }

  #entityVector(entityId: number, kind: EmbeddingKind): RequestSpec {
    // The built-in kinds have endpoints of their own, which earlier releases have too.
    if (kind !== 'clip' && kind !== 'dino')
      return requestOf<typeof getEntityVector>({
        method: 'GET',
        path: '/intelligence/entities/{entity_id}/vectors/{kind}',
        params: { entity_id: entityId, kind },
      });
    const params = { entity_id: entityId };
    if (kind === 'clip')
      return requestOf<typeof getClipEmbedding>({
        method: 'GET',
        path: '/intelligence/entities/{entity_id}/clip_embedding',
        params,
      });
    return requestOf<typeof getDinoEmbedding>({
      method: 'GET',
      path: '/intelligence/entities/{entity_id}/dino_embedding',
      params,
    });
  }

  #faceVector(faceId: number): RequestSpec {
    return requestOf<typeof getFaceEmbedding>({
      method: 'GET',
      path: '/intelligence/faces/{face_id}/embedding',
      params: { face_id: faceId },
    });
  }

  /**
   * A vector of an entity as a `.npy` file in memory.
   *
   * @example
   * ```ts
   * const npy = await store.intelligence.embedding(7, 'clip');
   * ```
   */
  embedding(entityId: number, kind: EmbeddingKind, options?: DownloadOptions): Promise<Uint8Array<ArrayBuffer>> {
    return downloadBytes(this.#http, this.#entityVector(entityId, kind), options);
  }

  /**
   * @example
   * ```ts
   * await store.intelligence.downloadEmbedding(7, 'dino', '7.npy');
   * ```
   */
  downloadEmbedding(
    entityId: number,
    kind: EmbeddingKind,
    dest: string,
    options?: DownloadOptions,
  ): Promise<Downloaded> {
    return downloadToFile(this.#http, this.#entityVector(entityId, kind), dest, options);
  }

  /**
   * The vector of a face as a `.npy` file in memory.
   *
   * @example
   * ```ts
   * const npy = await store.intelligence.faceEmbedding(3);
   * ```
   */
  faceEmbedding(faceId: number, options?: DownloadOptions): Promise<Uint8Array<ArrayBuffer>> {
    return downloadBytes(this.#http, this.#faceVector(faceId), options);
  }

  /**
   * @example
   * ```ts
   * await store.intelligence.downloadFaceEmbedding(3, 'face.npy');
   * ```
   */
  downloadFaceEmbedding(faceId: number, dest: string, options?: DownloadOptions): Promise<Downloaded> {
    return downloadToFile(this.#http, this.#faceVector(faceId), dest, options);
  }

  /**
   * Tries again what failed for an entity.
   *
   * @example
   * ```ts
   * await store.intelligence.retry(7);
   * ```
   */
  retry(entityId: number, options?: CallOptions): Promise<Intelligence | null> {
    return this.#http.call<typeof retryIntelligence>(
      { method: 'POST', path: '/intelligence/entities/{entity_id}/retry', params: { entity_id: entityId } },
      options,
    );
  }

  /**
   * Removes a face: its vector, its cut-out and its row.
   *
   * @example
   * ```ts
   * await store.intelligence.deleteFace(3);
   * ```
   */
  async deleteFace(faceId: number, options?: CallOptions): Promise<void> {
    await this.#http.call<typeof deleteFace>(
      { method: 'DELETE', path: '/faces/{face_id}', params: { face_id: faceId } },
      options,
    );
  }

  /**
   * Calls the listener with the state of an entity's insights, now and after each change. Needs MQTT.
   * @returns a function that ends the subscription
   * @example
   * ```ts
   * const stop = await store.intelligence.watch(7, (status) => console.log(status));
   * ```
   */
  async watch(entityId: number, listener: (status: EntityStatusEvent) => void): Promise<() => void> {
    if (!this.#mqtt) throw new ClError('Watching entities needs MQTT, and none is configured', 'no_mqtt');
    const [read, topic] = await Promise.all([messageReader('insight'), this.#topicOf(entityId)]);
    return this.#mqtt.subscribe(topic, (_topic, payload) => {
      const status = payload === '' ? undefined : read(payload);
      if (status) listener(status);
    });
  }

  async #topicOf(entityId: number): Promise<string> {
    return `${(await this.#topics.get()).insights}/${entityId}`;
  }

  /**
   * Waits until the analysis of an entity has ended, however it ends. A message over MQTT makes it look immediately;
   * without MQTT it looks every second.
   * @throws TimeoutError
   * @example
   * ```ts
   * const { overall_status } = await store.intelligence.settled(7);
   * ```
   */
  async settled(
    entityId: number,
    { timeoutMs = 60_000, signal, onProgress }: EntityWaitOptions = {},
  ): Promise<Intelligence> {
    const end = performance.now() + timeoutMs;
    let wake = (): void => undefined;
    const stop = await this.#wakeOn(entityId, () => wake());
    try {
      for (;;) {
        const woken = new Promise<void>((resolve) => {
          wake = resolve;
        });
        const intelligence = await this.get(entityId, { signal });
        if (intelligence) onProgress?.(intelligence);
        if (intelligence && ENDED.has(intelligence.overall_status)) return intelligence;
        const left = end - performance.now();
        if (left <= 0) throw new TimeoutError(`The analysis of entity ${entityId} did not end within ${timeoutMs} ms`);
        await sooner(woken, Math.min(left, stop ? SLOW_LOOK : FAST_LOOK), signal);
      }
    } finally {
      stop?.();
    }
  }

  /**
   * Waits until the analysis of an entity is completed.
   * @throws InsightFailedError, TimeoutError
   * @example
   * ```ts
   * const { face_count } = await store.intelligence.completed(7, { timeoutMs: 30_000 });
   * ```
   */
  async completed(entityId: number, options: EntityWaitOptions = {}): Promise<Intelligence> {
    const intelligence = await this.settled(entityId, options);
    if (intelligence.overall_status === 'failed') throw new InsightFailedError(entityId, intelligence);
    return intelligence;
  }

  /** Messages about an entity; undefined if there is no broker. */
  async #wakeOn(entityId: number, wake: () => void): Promise<(() => void) | undefined> {
    if (!this.#mqtt) return undefined;
    const topic = await this.#topicOf(entityId);
    return this.#mqtt.subscribe(topic, wake).catch((error: unknown) => {
      if (error instanceof NetworkError) return undefined;
      throw error;
    });
  }
}

/** Waits for the event or the time, whichever is first; the timer does not outlive it. */
async function sooner(event: Promise<void>, ms: number, signal: AbortSignal | undefined): Promise<void> {
  const cut = new AbortController();
  const either = signal ? AbortSignal.any([signal, cut.signal]) : cut.signal;
  try {
    await Promise.race([event, pause(ms, either)]);
  } finally {
    cut.abort();
  }
}
