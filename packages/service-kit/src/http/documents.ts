/**
 * A service's own documents: `/openapi.json`, and at `/docs` the page that shows it. Both are made when they are first
 * asked for: at each start of each service they would cost a third of its time, and few ever look.
 */
import { type AnyEndpoint, type ApiInfo, openApiDocument } from '@cl-server/contract';
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify as newFastify } from 'fastify';
import { SECURITY_HEADERS } from './security-headers.js';

const PREFIX = '/docs';
/** The page runs its own scripts only; it writes styles into the page. */
const POLICY = [
  "default-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
  "connect-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:",
].join('; ');

/** Swagger UI in an application of its own, since none can be given new routes once it listens. */
async function pageOf(document: object): Promise<FastifyInstance> {
  const page = newFastify({ routerOptions: { ignoreTrailingSlash: true } });
  page.addHook('onRequest', (_request, reply, done) => {
    reply.headers(SECURITY_HEADERS);
    done();
  });
  const [{ fastifySwagger }, { fastifySwaggerUi }] = await Promise.all([
    import('@fastify/swagger'),
    import('@fastify/swagger-ui'),
  ]);
  await page.register(fastifySwagger, { mode: 'static', specification: { document: document as never } });
  await page.register(fastifySwaggerUi, { routePrefix: PREFIX, staticCSP: POLICY });
  await page.ready();
  return page;
}

export function serveDocuments(fastify: FastifyInstance, info: ApiInfo, endpoints: readonly AnyEndpoint[]): void {
  let document: object | undefined;
  const made = (): object => {
    document ??= openApiDocument(info, endpoints);
    return document;
  };
  let page: Promise<FastifyInstance> | undefined;
  const show = async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    page ??= pageOf(made());
    const { routing } = await page;
    reply.hijack();
    routing(request.raw, reply.raw);
  };
  fastify.get('/openapi.json', async () => made());
  fastify.get(PREFIX, show);
  fastify.get(`${PREFIX}/*`, show);
  fastify.addHook('onClose', async () => {
    await (await page)?.close();
  });
}
