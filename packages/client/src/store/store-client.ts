import type { StoreRoot } from '@cl-server/contract';
import { type ComputeClientOptions, jobChannels } from '../compute/compute-client.js';
import { HttpClient } from '../http/http-client.js';
import { SystemClient } from '../http/system-client.js';
import { JobsClient } from '../jobs/jobs-client.js';
import { StoreAdminClient } from './admin-client.js';
import { EntitiesClient } from './entities-client.js';
import { IntelligenceClient } from './intelligence-client.js';
import { MediaClient } from './media-client.js';
import { PersonsClient } from './persons-client.js';
import { SearchClient } from './search-client.js';
import { TopicsOfStore } from './topics.js';

/** Options of a store client. It follows jobs, as a compute client does. */
export type StoreClientOptions = ComputeClientOptions;

/**
 * The store service: entities, their bytes, and what is known of them. It serves the job endpoints as well.
 *
 * @example
 * ```ts
 * const store = new StoreClient({ baseUrl: 'http://localhost:8001', auth: session });
 * const { entity } = await store.entities.upload('photo.jpg');
 * await store.media.download(entity.id, 'copy.jpg');
 * ```
 */
export class StoreClient {
  readonly http: HttpClient;
  readonly entities: EntitiesClient;
  readonly media: MediaClient;
  readonly intelligence: IntelligenceClient;
  readonly persons: PersonsClient;
  readonly search: SearchClient;
  readonly jobs: JobsClient;
  readonly admin: StoreAdminClient;
  readonly system: SystemClient<StoreRoot>;
  readonly topics: TopicsOfStore;

  constructor(options: StoreClientOptions) {
    this.http = new HttpClient(options);
    this.entities = new EntitiesClient(this.http);
    this.media = new MediaClient(this.http);
    this.topics = new TopicsOfStore(this.http);
    this.intelligence = new IntelligenceClient(this.http, this.topics, options.mqtt);
    this.persons = new PersonsClient(this.http);
    this.search = new SearchClient(this.http);
    this.jobs = new JobsClient({ http: this.http, channels: jobChannels(this.http, options), poll: options.poll });
    this.admin = new StoreAdminClient(this.http);
    this.system = new SystemClient(this.http);
  }

  /**
   * Ends all subscriptions. A shared MQTT connection is its owner's to close.
   *
   * @example
   * ```ts
   * store.close();
   * ```
   */
  close(): void {
    this.jobs.close();
  }
}
