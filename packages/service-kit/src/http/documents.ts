/**
 * A service's own documents: `/openapi.json`, and at `/docs` the page that shows it. Both are made when they are first
 * requested: at each start of each service they would cost a third of its time, and few ever look.
 */
import { type AnyEndpoint, type ApiInfo, openApiDocument, type PlatformAddress } from '@cl-server/contract';
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify as newFastify } from 'fastify';
import { hostNameOf } from './allowed-hosts.js';
import { leaveEmptyFieldsOut, withEmptyForms } from './documents-forms.js';
import { SECURITY_HEADERS } from './security-headers.js';

const PREFIX = '/docs';
const TOKEN_PATH = '/auth/token';

export interface DocumentOptions {
  readonly info: ApiInfo;
  readonly endpoints: readonly AnyEndpoint[];
  /** The auth service as clients reach it, where the page logs in; absent for auth itself. */
  readonly authAddress?: PlatformAddress;
  readonly trustProxy?: boolean | string;
}

/** The page runs its own scripts only; it writes styles into the page. It calls its own service, and auth to log in. */
const policyFor = (tokenUrl: string | undefined): string =>
  [
    "default-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    `connect-src 'self'${tokenUrl === undefined ? '' : ` ${new URL(tokenUrl).origin}`}; script-src 'self'`,
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:",
  ].join('; ');

/** The address at which the sender of a request gets a token. */
function tokenUrlFor({ protocol, host }: FastifyRequest, auth: PlatformAddress): string | undefined {
  const name = hostNameOf(host);
  if (name === undefined) return undefined;
  if ('port' in auth) return `${protocol}://${name}:${auth.port}${TOKEN_PATH}`;
  return new URL(`${auth.url.replace(/\/$/, '')}${TOKEN_PATH}`, `${protocol}://${host}`).href;
}

type Document = ReturnType<typeof openApiDocument>;

/** The document as the sender of a request needs it. */
function withTokenUrl<D extends object>(document: D, tokenUrl: string | undefined): D {
  if (tokenUrl === undefined) return document;
  const { components } = document as Document & { components: { securitySchemes: object } };
  const OAuth2PasswordBearer = { type: 'oauth2', flows: { password: { tokenUrl, scopes: {} } } };
  const securitySchemes = { ...components.securitySchemes, OAuth2PasswordBearer };
  return { ...document, components: { ...components, securitySchemes } };
}

/** Swagger UI in an application of its own, since none can be given new routes once it listens. */
async function pageOf(
  document: Document,
  tokenUrlOf: (request: FastifyRequest) => string | undefined,
  trustProxy: boolean | string,
): Promise<FastifyInstance> {
  const page = newFastify({ routerOptions: { ignoreTrailingSlash: true }, trustProxy });
  page.addHook('onRequest', (request, reply, done) => {
    reply.headers({ ...SECURITY_HEADERS, 'content-security-policy': policyFor(tokenUrlOf(request)) });
    done();
  });
  const [{ fastifySwagger }, { fastifySwaggerUi }] = await Promise.all([
    import('@fastify/swagger'),
    import('@fastify/swagger-ui'),
  ]);
  await page.register(fastifySwagger, {
    mode: 'static',
    specification: { document: withEmptyForms(document) as never },
  });
  await page.register(fastifySwaggerUi, {
    routePrefix: PREFIX,
    transformSpecificationClone: false,
    // Relative to `/docs/json`, so that the page also works below the path that a proxy gives the service.
    transformSpecification: (spec, request) => ({
      ...withTokenUrl(spec, tokenUrlOf(request)),
      servers: [{ url: '..' }],
    }),
    // Not a part of the types of the page's options, which it hands on.
    uiConfig: { persistAuthorization: false, tryItOutEnabled: true, plugins: [leaveEmptyFieldsOut] } as object,
  });
  await page.ready();
  return page;
}

export function serveDocuments(fastify: FastifyInstance, options: DocumentOptions): void {
  const { info, endpoints, authAddress, trustProxy = false } = options;
  const tokenUrlOf = (request: FastifyRequest): string | undefined => authAddress && tokenUrlFor(request, authAddress);
  let document: Document | undefined;
  const made = (): Document => {
    document ??= openApiDocument(info, endpoints);
    return document;
  };
  let page: Promise<FastifyInstance> | undefined;
  const show = async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    page ??= pageOf(made(), tokenUrlOf, trustProxy);
    const { routing } = await page;
    reply.hijack();
    routing(request.raw, reply.raw);
  };
  fastify.get('/openapi.json', async (request) => withTokenUrl(made(), tokenUrlOf(request)));
  fastify.get(PREFIX, show);
  fastify.get(`${PREFIX}/*`, show);
  fastify.addHook('onClose', async () => {
    await (await page)?.close();
  });
}
