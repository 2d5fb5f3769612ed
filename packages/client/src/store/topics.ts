import type { getStoreRoot, StoreTopics } from '@cl-server/contract';
import { TOPICS } from '@cl-server/contract/constants';
import type { HttpClient } from '../http/http-client.js';

/** Topics of an earlier release, which does not name them: they contain the port of its address. */
function topicsOfAddress(baseUrl: string): StoreTopics {
  const { port, protocol } = new URL(baseUrl);
  const number = port || (protocol === 'https:' ? 443 : 80);
  return {
    items: TOPICS.storeItems(number),
    entities: TOPICS.storeEntities(number),
    insights: TOPICS.entityStatuses(number),
  };
}

/** The MQTT topics of a store, as the store itself names them. It is asked once. */
export class TopicsOfStore {
  readonly #http: HttpClient;
  #topics: Promise<StoreTopics> | undefined;

  constructor(http: HttpClient) {
    this.#http = http;
  }

  /**
   * @example
   * ```ts
   * const { entities } = await store.topics.get();
   * ```
   */
  get(): Promise<StoreTopics> {
    this.#topics ??= this.#ask().catch((error: unknown) => {
      this.#topics = undefined;
      throw error;
    });
    return this.#topics;
  }

  async #ask(): Promise<StoreTopics> {
    const { topics } = await this.#http.call<typeof getStoreRoot>({ method: 'GET', path: '/' });
    return topics ?? topicsOfAddress(this.#http.baseUrl);
  }
}
