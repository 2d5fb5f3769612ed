import type { Face, KnownPerson } from '@cl-server/contract';
import { type CallOptions, type HttpClient, path } from '../http/http-client.js';

/** People whose faces were seen. */
export class PersonsClient {
  readonly #http: HttpClient;

  constructor(http: HttpClient) {
    this.#http = http;
  }

  list(options?: CallOptions): Promise<KnownPerson[]> {
    return this.#http.json({ method: 'GET', path: '/intelligence/known-persons' }, options);
  }

  get(personId: number, options?: CallOptions): Promise<KnownPerson> {
    return this.#http.json({ method: 'GET', path: path`/intelligence/known-persons/${personId}` }, options);
  }

  faces(personId: number, options?: CallOptions): Promise<Face[]> {
    return this.#http.json({ method: 'GET', path: path`/intelligence/known-persons/${personId}/faces` }, options);
  }

  /** Gives a person a name. */
  rename(personId: number, name: string, options?: CallOptions): Promise<KnownPerson> {
    return this.#http.json(
      { method: 'PATCH', path: path`/intelligence/known-persons/${personId}`, json: { name }, idempotent: true },
      options,
    );
  }
}
