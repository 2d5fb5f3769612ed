/**
 * The HTTP side of a service, made from its endpoint table: guards before bodies, 422 in one form, errors as JSON with a
 * request id, health, metrics, documents. Services add handlers, nothing else.
 */
import { randomUUID } from 'node:crypto';
import type { Server } from 'node:http';
import { type AnyEndpoint, type ApiInfo, CODE_OF_STATUS, readyz, systemEndpoints } from '@cl-server/contract';
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify as newFastify } from 'fastify';
import type { Logger } from '../logging/logger.js';
import type { Authorize } from '../tokens/guard.js';
import { AllowedHosts } from './allowed-hosts.js';
import { answerError } from './answer-error.js';
import { BodyBudget } from './body-budget.js';
import { guardCallers } from './callers.js';
import { Connections } from './connections.js';
import { allowPages } from './cors.js';
import { serveDocuments } from './documents.js';
import { addHandler, type EndpointTable } from './handler.js';
import type { HttpOptions } from './http-options.js';
import { sweepRegularly } from './incoming-sweep.js';
import { type HttpMetrics, httpMetrics, type MetricsRegistry } from './metrics.js';
import { RouteMethods } from './path.js';
import { refuseUnderPressure } from './pressure.js';
import { prepareBodies } from './read-body.js';
import type { ReadinessCheck } from './readiness-checks.js';
import { secureAnswers } from './security-headers.js';
import { watchBodies } from './slow-bodies.js';
import { serveSystem } from './system.js';
import { refuseUnparsed } from './unparsed.js';
import type { UploadOptions } from './upload.js';

export interface AppOptions extends HttpOptions {
  readonly info: ApiInfo;
  /** The service's own endpoints; health and metrics are added. */
  readonly endpoints: readonly AnyEndpoint[];
  readonly authorize: Authorize;
  readonly logger: Logger;
  readonly metrics: MetricsRegistry;
  /** Checks of the things that the service needs, by name. */
  readonly checks?: Readonly<Record<string, ReadinessCheck>>;
  /** Checks of things that the service can do without, such as the broker. They are shown and not counted. */
  readonly optionalChecks?: Readonly<Record<string, ReadinessCheck>>;
  /** The folder and limits of uploads; needed if any endpoint takes files. */
  readonly uploads?: UploadOptions;
  /** Tests set it: an answer that does not fit its schema is then a 500. */
  readonly checkResponses?: boolean;
}

export interface App extends EndpointTable {
  readonly fastify: FastifyInstance;
  /** The guard of every endpoint, for long answers: a listener may lose the right to listen meanwhile. */
  readonly authorize: Authorize;
  /** @returns the base URL */
  listen(options: { readonly host: string; readonly port: number }): Promise<string>;
  close(): Promise<void>;
}

const SWEEP_EVERY = 50;
/**
 * Connections that the kernel keeps until they are accepted, at most as many as its own limit (4,096). Beyond that it drops the
 * first packet of a new connection, which the client repeats after one second: with Node's 511 a flood delays others that long.
 */
const BACKLOG = 4_096;

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
    // Errors that occur before a route is found must have the form of all others.
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
  secureAnswers(fastify);
  const { allowedHosts = [], corsOrigins = [], siblings = [] } = options;
  const hosts = new AllowedHosts({ names: allowedHosts, origins: corsOrigins, siblings });
  guardCallers(fastify, hosts);
  observe(fastify, logger, httpMetrics(metrics));
  refuseUnderPressure(fastify, endpoints, options.pressure);
  fastify.setErrorHandler((error, request, reply) => answerError(error, request, reply, logger));
  fastify.addHook('onRequest', (request, reply, done) => {
    if (request.method === 'OPTIONS') allow(methods, request, reply);
    done();
  });
  fastify.setNotFoundHandler((request, reply) => answerNotFound(methods, request, reply));
  if (corsOrigins.length > 0 || siblings.length > 0) allowPages(fastify, hosts);
  serveDocuments(fastify, { ...options, endpoints });

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
    listen: ({ host, port }) => fastify.listen({ host, port, backlog: BACKLOG }),
    close: () => closeAll(fastify, connections),
  };
  serveSystem(app, options);
  return app;
}

/**
 * Waits for the running requests and for nothing else. A connection whose last answer ends during the close would be kept
 * alive for a minute, and one that never carried a request (browsers open such) does not count as idle.
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

/** The request id that the client sent if it is harmless, else a new one. */
const requestId = (given: string | string[] | undefined): string =>
  typeof given === 'string' && /^[\w.-]{1,64}$/.test(given) ? given : randomUUID();

/** Status in logs and metrics of a request whose client left before the end of its answer. */
const CLIENT_LEFT = 499;

function observe(fastify: FastifyInstance, logger: Logger, metrics: HttpMetrics): void {
  const ended = (request: FastifyRequest, reply: FastifyReply, status: number): void => {
    const route = request.routeOptions.url ?? 'none';
    metrics.observe(request.method, route, status, reply.elapsedTime / 1000);
    // A program that waits for a start asks many times, and each seek of a player ends a download.
    const reads = request.method === 'GET' || request.method === 'HEAD';
    const quiet = reads && (status < 400 || status === CLIENT_LEFT || route === readyz.path);
    const level = quiet ? 'debug' : 'info';
    if (!logger.isLevelEnabled(level)) return;
    logger[level](
      {
        reqId: request.id,
        method: request.method,
        path: request.url.split('?', 1)[0],
        status,
        ms: Math.round(reply.elapsedTime * 10) / 10,
        user: request.claims?.id,
        address: request.ip,
      },
      'request',
    );
  };
  fastify.addHook('onRequest', (request, reply, done) => {
    reply.header('x-request-id', request.id);
    // Fastify reports answers that were sent, but not those that were cut off.
    reply.raw.once('close', () => {
      if (!reply.raw.writableFinished) ended(request, reply, CLIENT_LEFT);
    });
    done();
  });
  fastify.addHook('onResponse', (request, reply, done) => {
    done();
    ended(request, reply, reply.statusCode);
  });
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
