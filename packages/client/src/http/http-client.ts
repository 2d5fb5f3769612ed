import type { AnyEndpoint, ErrorBody, Output } from '@cl-server/contract';
import { postMultipart } from '#platform';
import { type AuthProvider, NoAuthProvider } from '../auth/provider.js';
import { ApiError, apiError, BadAnswerError, ClError, FileError, isAbort, NetworkError } from '../errors.js';
import { type Fields, fieldEntries, queryString } from './body.js';
import { Deadline, pause } from './deadline.js';
import { type Call, type RequestSpec, requestOf } from './request.js';
import { DEFAULT_RETRY, type RetryPolicy, retryAfter, retryDelay } from './retry.js';

/** Options of every call, beside its own. */
export interface CallOptions {
  /** Ends the call; it then throws the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds without any movement after which the call fails with `TimeoutError`; 0 for none. */
  readonly timeoutMs?: number | undefined;
}

/** One attempt of a request for logs: its answer, or the reason why there was none. */
export interface RequestTrace {
  readonly method: string;
  readonly url: string;
  readonly attempt: number;
  readonly ms: number;
  readonly status?: number;
  readonly requestId?: string | undefined;
  readonly error?: unknown;
}

export interface HttpClientOptions {
  readonly baseUrl: string;
  readonly auth?: AuthProvider | undefined;
  /** Default 30,000. */
  readonly timeoutMs?: number | undefined;
  readonly retry?: Partial<RetryPolicy> | undefined;
  /** Sent with every request. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Called after every attempt. */
  readonly onRequest?: ((trace: RequestTrace) => void) | undefined;
  /** Default: the platform's. */
  readonly fetch?: typeof globalThis.fetch | undefined;
}

/** An answer whose body is still to come. */
export interface OpenAnswer {
  readonly response: Response;
  /** The body as it arrives, read once; ends the connection when left early. */
  chunks(): AsyncGenerator<Uint8Array, void, undefined>;
  /** Gives the body up. */
  cancel(): Promise<void>;
}

const DEFAULT_TIMEOUT = 30_000;

/** Sends requests to one service: credentials, time limits, retries, typed errors. */
export class HttpClient {
  readonly baseUrl: string;
  readonly auth: AuthProvider;
  readonly #options: HttpClientOptions;
  readonly #fetch: typeof globalThis.fetch;
  readonly #policy: RetryPolicy;

  constructor(options: HttpClientOptions) {
    // eslint-disable-next-line regexp/no-super-linear-move -- an address of the operator, some characters long
    this.baseUrl = options.baseUrl.replace(/\/+$/, '');
    this.auth = options.auth ?? new NoAuthProvider();
    this.#options = options;
    this.#fetch = options.fetch ?? ((input, init) => globalThis.fetch(input, init));
    this.#policy = { ...DEFAULT_RETRY, ...options.retry };
  }

  /**
   * The address of a path, for those who fetch it by other means.
   *
   * @example
   * ```ts
   * const address = store.http.url('/entities', { type: 'video' });
   * ```
   */
  url(pathname: string, query: Fields = {}): string {
    return `${this.baseUrl}${pathname}${queryString(query)}`;
  }

  /**
   * The path of an address that the server gave out, below the path of `baseUrl`. Host and port of the address do not
   * count, because a server behind a proxy may not know its own.
   *
   * @example
   * ```ts
   * const path = store.http.pathOf('/entities/7/media?expires=1');
   * ```
   */
  pathOf(address: string): string {
    const base = new URL(this.baseUrl);
    const { pathname, search } = new URL(address, base);
    const prefix = base.pathname.replace(/\/$/, '');
    const path = prefix !== '' && pathname.startsWith(`${prefix}/`) ? pathname.slice(prefix.length) : pathname;
    return path + search;
  }

  /**
   * Calls an endpoint of the contract. The compiler checks method, path and names of fields, and knows the result.
   *
   * @example
   * ```ts
   * const job = await compute.http.call<typeof sdk.getJob>({ method: 'GET', path: '/jobs/{job_id}', params: { job_id: jobId } });
   * ```
   */
  async call<E extends AnyEndpoint>(call: Call<E>, options: CallOptions = {}): Promise<Output<E>> {
    return (await this.callWithStatus<E>(call, options)).data;
  }

  /**
   * Like `call`, with the status: for some endpoints 200 and 201 mean different things.
   *
   * @example
   * ```ts
   * const form = { is_collection: true, label: 'Summer' };
   * const { status } = await store.http.callWithStatus<typeof sdk.createEntity>({ method: 'POST', path: '/entities', form });
   * ```
   */
  callWithStatus<E extends AnyEndpoint>(
    call: Call<E>,
    options: CallOptions = {},
  ): Promise<{ status: number; data: Output<E> }> {
    return this.answer<Output<E>>(requestOf(call), options);
  }

  /**
   * Sends, and reads the whole answer as JSON; an empty answer is undefined.
   *
   * @example
   * ```ts
   * const { items } = await store.http.json<{ items: unknown[] }>({ method: 'GET', path: '/entities' });
   * ```
   */
  async json<T>(spec: RequestSpec, options: CallOptions = {}): Promise<T> {
    return (await this.answer<T>(spec, options)).data;
  }

  /**
   * Like `json`, with the status: for some endpoints 200 and 201 mean different things.
   *
   * @example
   * ```ts
   * const { status } = await store.http.answer({ method: 'GET', path: '/entities' });
   * ```
   */
  answer<T>(spec: RequestSpec, options: CallOptions = {}): Promise<{ status: number; data: T }> {
    return this.#retrying(spec, options, async (response, deadline) => {
      const text = await response.text();
      deadline.close();
      try {
        return { status: response.status, data: (text === '' ? undefined : JSON.parse(text)) as T };
      } catch (cause) {
        throw new BadAnswerError(response.url || `${this.baseUrl}${spec.path}`, { cause });
      }
    });
  }

  /**
   * Sends, and gives the answer as text.
   *
   * @example
   * ```ts
   * const metrics = await store.http.text({ method: 'GET', path: '/metrics' });
   * ```
   */
  text(spec: RequestSpec, options: CallOptions = {}): Promise<string> {
    return this.#retrying(spec, options, async (response, deadline) => {
      const text = await response.text();
      deadline.close();
      return text;
    });
  }

  /**
   * Sends, and gives the answer with its body still to be read. The time limit then counts between two chunks.
   *
   * @example
   * ```ts
   * const answer = await store.http.open({ method: 'GET', path: '/entities/1/media' }, { signal });
   * for await (const chunk of answer.chunks()) console.log(chunk.length);
   * ```
   */
  open(spec: RequestSpec, options: CallOptions = {}): Promise<OpenAnswer> {
    return this.#retrying(spec, options, async (response, deadline) => {
      const url = this.url(spec.path);
      return {
        response,
        chunks: async function* () {
          const reader = response.body?.getReader();
          let ended = reader === undefined;
          try {
            while (reader && !ended) {
              const { done, value } = await reader.read();
              deadline.touch();
              ended = done;
              if (value) yield value;
            }
          } catch (error) {
            ended = true;
            throw brokenOff(error, deadline.signal, url);
          } finally {
            deadline.close();
            if (!ended) await reader?.cancel().catch(() => undefined);
          }
        },
        cancel: async () => {
          deadline.close();
          await response.body?.cancel().catch(() => undefined);
        },
      };
    });
  }

  async #retrying<T>(
    spec: RequestSpec,
    options: CallOptions,
    read: (response: Response, deadline: Deadline) => Promise<T>,
  ): Promise<T> {
    const auth = spec.auth ?? this.auth;
    const idempotent =
      (spec.idempotent ?? ['HEAD', 'GET', 'DELETE'].includes(spec.method)) &&
      (spec.file === undefined || spec.file.body.repeatable);
    const repeatable = spec.file === undefined || spec.file.body.repeatable;
    let renewed = false;
    for (let attempt = 0; ; ) {
      options.signal?.throwIfAborted();
      const credentials = await auth.headers(options.signal);
      const deadline = new Deadline(options.timeoutMs ?? this.#options.timeoutMs ?? DEFAULT_TIMEOUT, options.signal);
      try {
        const response = await this.#once(spec, credentials, deadline, attempt);
        return await read(response, deadline).catch((error: unknown) => {
          throw brokenOff(error, deadline.signal, this.url(spec.path));
        });
      } catch (error) {
        deadline.close();
        if (error instanceof ApiError && error.status === 401 && !renewed && repeatable) {
          renewed = true;
          if (await auth.renew?.(credentials, options.signal)) continue;
        }
        // The first DELETE got through although its answer was lost.
        if (attempt > 0 && spec.method === 'DELETE' && error instanceof ApiError && error.status === 404)
          return read(new Response(null, { status: 204 }), deadline);
        const delay = repeatable ? retryDelay(error, { attempt, idempotent, policy: this.#policy }) : undefined;
        if (delay === undefined) throw error;
        await pause(delay, options.signal);
        attempt += 1;
      }
    }
  }

  async #once(
    spec: RequestSpec,
    credentials: Readonly<Record<string, string>>,
    deadline: Deadline,
    attempt: number,
  ): Promise<Response> {
    const url = this.url(spec.path, spec.query);
    const { method } = spec;
    const began = performance.now();
    const trace = (rest: Partial<RequestTrace>): void =>
      this.#options.onRequest?.({ method, url, attempt, ms: performance.now() - began, ...rest });
    let response: Response;
    try {
      response = await this.#send(url, spec, credentials, deadline);
    } catch (error) {
      const known = brokenOff(error, deadline.signal, url);
      trace({ error: known });
      throw known;
    }
    deadline.touch();
    const requestId = response.headers.get('x-request-id') ?? undefined;
    trace({ status: response.status, requestId });
    if (response.ok) return response;
    throw await refusal(response, method, url, requestId);
  }

  #send(
    url: string,
    spec: RequestSpec,
    credentials: Readonly<Record<string, string>>,
    deadline: Deadline,
  ): Promise<Response> {
    const headers = { ...this.#options.headers, ...spec.headers, ...credentials };
    const init: RequestInit = { method: spec.method, headers, signal: deadline.signal };
    if (spec.file)
      return postMultipart(
        this.#fetch,
        url,
        init,
        { fields: fieldEntries(spec.form ?? {}), fileField: spec.file.field, file: spec.file.body },
        (progress) => {
          deadline.touch();
          spec.file?.onProgress?.(progress);
        },
      );
    if (spec.bytes) return this.#fetch(url, { ...init, body: spec.bytes });
    if (spec.json !== undefined)
      return this.#fetch(url, {
        ...init,
        headers: { ...headers, 'content-type': 'application/json' },
        body: JSON.stringify(spec.json),
      });
    if (spec.form) return this.#fetch(url, { ...init, body: new URLSearchParams(fieldEntries(spec.form)) });
    return this.#fetch(url, init);
  }
}

/** The reasons behind the codes of Node for which its own message does not help. */
function reasonOf(code: string | undefined, url: URL): string | undefined {
  if (code === 'ECONNREFUSED') return 'connection refused';
  if (code === 'ENOTFOUND') return `there is no host ${url.hostname}`;
  if (url.protocol === 'https:' && (code === 'ERR_SSL_WRONG_VERSION_NUMBER' || code === 'EPROTO'))
    return 'the server does not use TLS on this port; use http:// instead of https://';
  if (url.protocol === 'http:' && code?.startsWith('HPE_'))
    return 'the answer is not HTTP; if the server uses TLS on this port, use https://';
  return undefined;
}

/** Names the reason why no answer, or no whole answer, came. */
function brokenOff(error: unknown, signal: AbortSignal, url: string): unknown {
  if (signal.aborted) return signal.reason;
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause)
    if (cause instanceof FileError) return cause;
  if (error instanceof ClError || isAbort(error)) return error;
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const { code, message } = cause as { code?: string; message?: string };
  const why = reasonOf(code, new URL(url)) ?? (message || code || String(cause));
  return new NetworkError(`No answer from ${new URL(url).origin}: ${why}`, url, { cause: error });
}

async function refusal(
  response: Response,
  method: string,
  url: string,
  requestId: string | undefined,
): Promise<ApiError> {
  const text = await response.text().catch(() => '');
  let body: Partial<ErrorBody> = {};
  try {
    body = JSON.parse(text) as Partial<ErrorBody>;
  } catch {
    // Not from one of our services: a proxy's page says nothing that helps.
  }
  return apiError({
    status: response.status,
    code: body.code ?? `http_${response.status}`,
    detail: body.detail ?? (response.statusText || `HTTP ${response.status}`),
    requestId: body.request_id ?? requestId,
    retryAfterMs: retryAfter(response.headers.get('retry-after')),
    method,
    url,
    body: body as Record<string, unknown>,
  });
}
