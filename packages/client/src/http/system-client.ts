import type { livez, Readiness, readyz } from '@cl-server/contract';
import { UnavailableError } from '../errors.js';
import type { CallOptions, HttpClient } from './http-client.js';

/** How one service is. */
export interface ServiceHealth<Root> {
  readonly url: string;
  /** The answer of `GET /`. */
  readonly root: Root;
  readonly readiness: Readiness;
}

/** Endpoints that every service has: health, metrics, its API document. */
export class SystemClient<Root> {
  readonly #http: HttpClient;

  constructor(http: HttpClient) {
    this.#http = http;
  }

  /**
   * @example
   * ```ts
   * const about = await store.system.root();
   * ```
   */
  root(options?: CallOptions): Promise<Root> {
    return this.#http.json({ method: 'GET', path: '/' }, options);
  }

  /**
   * Whether the process answers. @throws NetworkError if it does not
   * @example
   * ```ts
   * if (!(await store.system.live())) throw new Error('the store is down');
   * ```
   */
  async live(options?: CallOptions): Promise<boolean> {
    return (await this.#http.call<typeof livez>({ method: 'GET', path: '/livez' }, options)).status === 'alive';
  }

  /**
   * Whether each thing that the service needs is there.
   *
   * @example
   * ```ts
   * const { status, checks } = await store.system.ready();
   * ```
   */
  async ready(options?: CallOptions): Promise<Readiness> {
    try {
      return await this.#http.call<typeof readyz>({ method: 'GET', path: '/readyz', idempotent: false }, options);
    } catch (error) {
      // The answer that says what is missing comes with 503; its body is not an error's.
      if (!(error instanceof UnavailableError)) throw error;
      return { status: 'not_ready', checks: (error.body?.checks ?? {}) as Readiness['checks'] };
    }
  }

  /**
   * @example
   * ```ts
   * const { readiness, url } = await compute.system.health();
   * ```
   */
  async health(options?: CallOptions): Promise<ServiceHealth<Root>> {
    const [root, readiness] = await Promise.all([this.root(options), this.ready(options)]);
    return { url: this.#http.baseUrl, root, readiness };
  }

  /**
   * Metrics in the Prometheus text format.
   *
   * @example
   * ```ts
   * console.log(await store.system.metrics());
   * ```
   */
  metrics(options?: CallOptions): Promise<string> {
    return this.#http.text({ method: 'GET', path: '/metrics' }, options);
  }

  /**
   * The service's OpenAPI document.
   *
   * @example
   * ```ts
   * const { paths } = await store.system.openApi();
   * ```
   */
  openApi(options?: CallOptions): Promise<Record<string, unknown>> {
    return this.#http.json({ method: 'GET', path: '/openapi.json' }, options);
  }
}
