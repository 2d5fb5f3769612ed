import type { Readiness } from '@cl-server/contract';
import { UnavailableError } from '../errors.js';
import type { CallOptions, HttpClient } from './http-client.js';

/** How one service is. */
export interface ServiceHealth<Root> {
  readonly url: string;
  /** What `GET /` says. */
  readonly root: Root;
  readonly readiness: Readiness;
}

/** What every service has: health, metrics, its API document. */
export class SystemClient<Root> {
  readonly #http: HttpClient;

  constructor(http: HttpClient) {
    this.#http = http;
  }

  root(options?: CallOptions): Promise<Root> {
    return this.#http.json({ method: 'GET', path: '/' }, options);
  }

  /** Whether the process answers. @throws NetworkError if it does not */
  async live(options?: CallOptions): Promise<boolean> {
    return (await this.#http.json<{ status: string }>({ method: 'GET', path: '/livez' }, options)).status === 'alive';
  }

  /** Whether each thing that the service needs is there. */
  async ready(options?: CallOptions): Promise<Readiness> {
    try {
      return await this.#http.json<Readiness>({ method: 'GET', path: '/readyz', idempotent: false }, options);
    } catch (error) {
      // The answer that says what is missing comes with 503; its body is not an error's.
      if (!(error instanceof UnavailableError)) throw error;
      return { status: 'not_ready', checks: (error.body?.checks ?? {}) as Readiness['checks'] };
    }
  }

  async health(options?: CallOptions): Promise<ServiceHealth<Root>> {
    const [root, readiness] = await Promise.all([this.root(options), this.ready(options)]);
    return { url: this.#http.baseUrl, root, readiness };
  }

  /** Metrics in the Prometheus text format. */
  metrics(options?: CallOptions): Promise<string> {
    return this.#http.text({ method: 'GET', path: '/metrics' }, options);
  }

  /** The service's OpenAPI document. */
  openApi(options?: CallOptions): Promise<Record<string, unknown>> {
    return this.#http.json({ method: 'GET', path: '/openapi.json' }, options);
  }
}
