/**
 * The HTTP side of a service, made from its endpoint table: guards before bodies, 422 in one form, errors as JSON with a
 * request id, health, metrics, documents. Services add handlers, nothing else.
 */
import { randomUUID } from 'node:crypto';
import type { Server } from 'node:http';
import { type AnyEndpoint, type ApiInfo, CODE_OF_STATUS, type Readiness, systemEndpoints } from '@cl-server/contract';
import { fastifyCors } from '@fastify/cors';
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify as newFastify } from 'fastify';
import { isDatabaseAway } from '../database/away.js';
import { HttpError, messageOf } from '../errors.js';
import type { Logger } from '../logging/logger.js';
import { storageFault } from '../storage-fault.js';
import type { Authorize } from '../tokens/guard.js';
import { BodyBudget } from './body-budget.js';
import { guardCallers } from './callers.js';
import { Connections } from './connections.js';
import { serveDocuments } from './documents.js';
import { addHandler, type Handler, type RouteOptions } from './handler.js';
import type { HttpOptions } from './http-options.js';
import { sweepRegularly } from './incoming-sweep.js';
import { type HttpMetrics, httpMetrics, type MetricsRegistry } from './metrics.js';
import { RouteMethods } from './path.js';
import { prepareBodies } from './read-body.js';
import { watchBodies } from './slow-bodies.js';
import { refuseUnparsed } from './unparsed.js';
import type { UploadOptions } from './upload.js';

export type ReadinessCheck = () => boolean | Promise<boolean>;

export interface AppOptions extends HttpOptions {
  readonly info: ApiInfo;
  /** The service's own endpoints; health and metrics are added. */
  readonly endpoints: readonly AnyEndpoint[];
  readonly authorize: Authorize;
  readonly logger: Logger;
  readonly metrics: MetricsRegistry;
  /** Each thing that the service needs, by name. */
  readonly checks?: Readonly<Record<string, ReadinessCheck>>;
  /** What the service works without, e.g. the broker: shown beside the others, and not counted. */
  readonly optionalChecks?: Readonly<Record<string, ReadinessCheck>>;
  /** Where files go; needed if any endpoint takes files. */
  readonly uploads?: UploadOptions;
  /** Tests set it: an answer that does not fit its schema is then a 500. */
  readonly checkResponses?: boolean;
}

export interface App {
  readonly fastify: FastifyInstance;
  /** The guard that every endpoint has been given, for answers that last: whoever listens may lose the right meanwhile. */
  readonly authorize: Authorize;
  /** Serves an endpoint of the table. */
  handle<E extends AnyEndpoint>(endpoint: E, handler: Handler<E>, options?: RouteOptions): void;
  /** @returns the base URL */
  listen(options: { readonly host: string; readonly port: number }): Promise<string>;
  close(): Promise<void>;
}

const SWEEP_EVERY = 50;

const noCompiler = () => (): never => {
  throw new Error('a route has a schema beside the endpoint table');
};

export function createApp(options: AppOptions): App {
  const { logger, metrics } = options;
  const endpoints: readonly AnyEndpoint[] = [...options.endpoints, ...systemEndpoints];
  // No logger for Fastify: it would make a child, with its redaction, for every request; `observe` says what there is to say.
  const fastify = newFastify({
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: 2_000 },
    requestIdHeader: false,
    genReqId: (request) => requestId(request.headers['x-request-id']),
    // Faults found before a route is: they must look like all others.
    frameworkErrors: (error, request, reply) => void answerError(error, request, reply, logger),
    clientErrorHandler: refuseUnparsed,
    // Requests and answers are checked by the endpoint table; Fastify's own compilers would only be loaded.
    schemaController: { compilersFactory: { buildValidator: noCompiler, buildSerializer: noCompiler } },
    trustProxy: options.trustProxy ?? false,
    connectionTimeout: 120_000,
    keepAliveTimeout: 65_000,
    forceCloseConnections: 'idle',
    http: { headersTimeout: 15_000, maxHeaderSize: 16_384, connectionsCheckingInterval: 5_000 },
  }) as unknown as FastifyInstance;

  const methods = new RouteMethods();
  fastify.addHook('onRoute', (route) => methods.add(route.url, route.method));
  prepareBodies(fastify, new BodyBudget(options.bodyBudget));
  watchBodies(fastify, options.slowBodies);
  guardCallers(fastify, options);
  observe(fastify, logger, httpMetrics(metrics));
  fastify.setErrorHandler((error, request, reply) => answerError(error, request, reply, logger));
  fastify.addHook('onRequest', (request, reply, done) => {
    if (request.method === 'OPTIONS') allow(methods, request, reply);
    done();
  });
  fastify.setNotFoundHandler((request, reply) => answerNotFound(methods, request, reply));
  if (options.corsOrigins && options.corsOrigins.length > 0)
    void fastify.register(fastifyCors, {
      origin: options.corsOrigins.includes('*') ? true : [...options.corsOrigins],
      exposedHeaders: [
        'content-range',
        'content-disposition',
        'etag',
        'location',
        'x-request-id',
        'upload-offset',
        'upload-length',
        'upload-defer-length',
        'upload-metadata',
        'upload-expires',
        'tus-resumable',
        'tus-version',
        'tus-extension',
        'tus-max-size',
        'x-entity-id',
      ],
      methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
      // An OPTIONS request that no browser's preflight made is answered as if there were no CORS.
      strictPreflight: false,
      maxAge: 600,
    });
  serveDocuments(fastify, options.info, endpoints);

  const connections = new Connections(
    options.trustProxy !== undefined && options.trustProxy !== false,
    options.connections,
  );
  connections.watch(fastify.server as Server);
  const incoming = sweepRegularly(logger);
  fastify.addHook('onClose', async () => incoming.close());
  const app: App = {
    fastify,
    authorize: options.authorize,
    handle: (endpoint, handler, routeOptions) => {
      const uploads = routeOptions?.uploads ?? options.uploads;
      if (endpoint.files && uploads) incoming.add(uploads.folder);
      addHandler(fastify, endpoint, handler, {
        authorize: options.authorize,
        checkResponses: options.checkResponses ?? false,
        ...routeOptions,
        uploads,
      });
    },
    listen: ({ host, port }) => fastify.listen({ host, port }),
    close: () => closeAll(fastify, connections),
  };
  serveSystem(app, options, metrics);
  return app;
}

/**
 * Waits for the requests under way, and for nothing else: a connection whose last answer ends during the close would be
 * kept alive for a minute, and one on which nothing was ever asked (browsers open such) does not count as idle.
 */
async function closeAll(fastify: FastifyInstance, connections: Connections): Promise<void> {
  const sweep = setInterval(() => {
    fastify.server.closeIdleConnections();
    for (const socket of connections.sockets) if (socket.bytesRead === 0) socket.destroy();
  }, SWEEP_EVERY);
  try {
    await fastify.close();
  } finally {
    clearInterval(sweep);
  }
}

/** A client's own id if it is harmless, else a new one. */
const requestId = (given: string | string[] | undefined): string =>
  typeof given === 'string' && /^[\w.-]{1,64}$/.test(given) ? given : randomUUID();

const READYZ = systemEndpoints[1].path;

function observe(fastify: FastifyInstance, logger: Logger, metrics: HttpMetrics): void {
  fastify.addHook('onRequest', (request, reply, done) => {
    reply.header('x-request-id', request.id);
    reply.header('x-content-type-options', 'nosniff');
    done();
  });
  fastify.addHook('onResponse', (request, reply, done) => {
    done();
    const route = request.routeOptions.url ?? 'none';
    metrics.observe(request.method, route, reply.statusCode, reply.elapsedTime / 1000);
    // Whoever waits for a start asks many times.
    const reads = request.method === 'GET' || request.method === 'HEAD';
    const quiet = reads && (reply.statusCode < 400 || route === READYZ);
    const level = quiet ? 'debug' : 'info';
    if (!logger.isLevelEnabled(level)) return;
    logger[level](
      {
        reqId: request.id,
        method: request.method,
        path: request.url.split('?', 1)[0],
        status: reply.statusCode,
        ms: Math.round(reply.elapsedTime * 10) / 10,
        user: request.claims?.id,
      },
      'request',
    );
  });
}

function toRefusal(error: unknown): HttpError | undefined {
  if (error instanceof HttpError) return error;
  const { statusCode, code } = error as { statusCode?: number; code?: string };
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE')
    return new HttpError(415, 'This Content-Type is not read here: send a form or JSON');
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') return new HttpError(413, 'The body is too large');
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500)
    return new HttpError(statusCode, messageOf(error), { cause: error });
  return undefined;
}

const RETRY_AFTER_SECONDS = '5';

function databaseAway(error: unknown): HttpError | undefined {
  if (!isDatabaseAway(error)) return undefined;
  return new HttpError(503, 'The database does not answer now. Nothing was changed; try again in a few seconds', {
    headers: { 'retry-after': RETRY_AFTER_SECONDS },
    cause: error,
  });
}

function answerError(thrown: unknown, request: FastifyRequest, reply: FastifyReply, logger: Logger): FastifyReply {
  const error = storageFault(thrown);
  const refusal = toRefusal(error) ?? databaseAway(error);
  if (!refusal || refusal.status >= 500)
    logger.error({ err: error, reqId: request.id, method: request.method, path: request.url }, 'request failed');
  const { status, detail, code, headers, extra } = refusal ?? new HttpError(500, 'Internal Server Error');
  return reply
    .code(status)
    .headers({ ...headers })
    .type('application/json')
    .send({ detail, code, ...extra, request_id: request.id });
}

/** @returns whether the path is known */
function allow(methods: RouteMethods, request: FastifyRequest, reply: FastifyReply): boolean {
  const allowed = methods.at(request.url.split('?', 1)[0] ?? '/');
  if (allowed.length > 0) reply.header('allow', allowed.join(', '));
  return allowed.length > 0;
}

function answerNotFound(methods: RouteMethods, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const isKnown = allow(methods, request, reply);
  if (isKnown && request.method === 'OPTIONS') return reply.code(204).send();
  const status = isKnown ? 405 : 404;
  return reply.code(status).send({
    detail: isKnown ? 'Method Not Allowed' : 'Not Found',
    code: CODE_OF_STATUS[status],
    request_id: request.id,
  });
}

/** Readiness is asked by load balancers that give up soon, so a check that hangs counts as failed after this time. */
const CHECK_TIMEOUT_MS = 1_500;

async function inTime<T>(check: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${CHECK_TIMEOUT_MS} ms`)), CHECK_TIMEOUT_MS);
  });
  try {
    return await Promise.race([check, tooLate]);
  } finally {
    clearTimeout(timer);
  }
}

async function runChecks(checks: Readonly<Record<string, ReadinessCheck>>): Promise<Readiness['checks']> {
  const results: Readiness['checks'] = {};
  await Promise.all(
    Object.entries(checks).map(async ([name, check]) => {
      results[name] = await inTime(Promise.resolve().then(check)).then(
        (ok) => ({ ok }),
        (error: unknown) => ({ ok: false, message: messageOf(error) }),
      );
    }),
  );
  return results;
}

function serveSystem(
  app: App,
  { checks = {}, optionalChecks = {} }: Pick<AppOptions, 'checks' | 'optionalChecks'>,
  metrics: MetricsRegistry,
): void {
  const [livez, readyz, metricsEndpoint] = systemEndpoints;
  app.handle(livez, () => ({ status: 'alive' as const }));
  app.handle(readyz, async ({ reply }) => {
    const [needed, optional] = await Promise.all([runChecks(checks), runChecks(optionalChecks)]);
    const results: Readiness['checks'] = { ...needed };
    for (const [name, result] of Object.entries(optional)) results[name] = { ...result, optional: true };
    const ready = Object.values(needed).every(({ ok }) => ok);
    reply.code(ready ? 200 : 503);
    return reply.send({ status: ready ? 'ready' : 'not_ready', checks: results } satisfies Readiness);
  });
  app.handle(metricsEndpoint, async ({ reply }) => reply.type(metrics.contentType).send(await metrics.metrics()));
}
