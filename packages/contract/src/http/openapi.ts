/** Makes OpenAPI 3.1 documents from the tables of endpoints. */
import { z } from 'zod';
import type { AnyEndpoint, ResponseSpec } from './endpoint.js';
import { errorBody } from './errors.js';
import { TAGS } from './tags.js';

export interface ApiInfo {
  readonly title: string;
  readonly version: string;
  readonly description: string;
}

type Json = Record<string, unknown>;

/**
 * Removes JavaScript's range of exact integers, which says nothing to a reader, and writes tuples of one type as arrays of
 * a fixed length, which more tools understand.
 */
function tidy({ jsonSchema }: { jsonSchema: Json }): void {
  if (jsonSchema['minimum'] === Number.MIN_SAFE_INTEGER) delete jsonSchema['minimum'];
  if (jsonSchema['maximum'] === Number.MAX_SAFE_INTEGER) delete jsonSchema['maximum'];
  const { prefixItems } = jsonSchema;
  if (!Array.isArray(prefixItems) || new Set(prefixItems.map((item) => JSON.stringify(item))).size !== 1) return;
  delete jsonSchema['prefixItems'];
  Object.assign(jsonSchema, { items: prefixItems[0], minItems: prefixItems.length, maxItems: prefixItems.length });
}

/** A schema as JSON Schema, of the input that clients send or of the output that they receive. */
export const jsonSchemaOf = (schema: z.ZodType, io: 'input' | 'output'): Json => {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, {
    io,
    unrepresentable: 'any',
    override: tidy,
  }) as Json;
  return rest;
};

/** The schemas of a document that have a name (`meta({ id })`); all uses refer to one definition. */
class Components {
  readonly schemas: Record<string, Json> = {};

  /** The schema of a response: a reference if the schema has a name. */
  refer(schema: z.ZodType): Json {
    // Inside an object a schema with a name becomes a definition; alone it would be written out.
    const { $defs = {}, properties } = jsonSchemaOf(z.object({ root: schema }), 'output') as {
      $defs?: Record<string, Json>;
      properties: { root: Json };
    };
    for (const [name, { id: _, ...definition }] of Object.entries($defs))
      this.schemas[name] ??= toComponentRefs(definition) as Json;
    return toComponentRefs(properties.root) as Json;
  }
}

/** Definitions of JSON Schema lie in the schema itself, those of OpenAPI in the document. */
function toComponentRefs(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(toComponentRefs);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, part]) =>
      key === '$ref' && typeof part === 'string'
        ? [key, part.replace('#/$defs/', '#/components/schemas/')]
        : [key, toComponentRefs(part)],
    ),
  );
}

const openPath = (path: string): string => path.replace(/\{(\w+)\*\}/g, '{$1}');

function parameters(endpoint: AnyEndpoint): Json[] {
  const list: Json[] = [];
  for (const [location, schema] of [
    ['path', endpoint.params],
    ['query', endpoint.query],
  ] as const) {
    if (!schema) continue;
    const { properties = {}, required = [] } = jsonSchemaOf(schema, 'input') as {
      properties?: Record<string, Json>;
      required?: string[];
    };
    for (const [name, property] of Object.entries(properties)) {
      const { description, ...rest } = property;
      list.push({
        name,
        in: location,
        required: location === 'path' || required.includes(name),
        ...(description !== undefined && { description }),
        schema: rest,
      });
    }
  }
  return list;
}

function requestBody(endpoint: AnyEndpoint): Json | undefined {
  if (endpoint.json)
    return {
      required: true,
      content: { 'application/json': { schema: jsonSchemaOf(endpoint.json, 'input') } },
    };
  if (!endpoint.form && !endpoint.files) return undefined;
  const base = endpoint.form ? jsonSchemaOf(endpoint.form, 'input') : { type: 'object' };
  const files = Object.entries(endpoint.files ?? {});
  const required = [
    ...((base['required'] as string[] | undefined) ?? []),
    ...files.filter(([, file]) => file.required).map(([name]) => name),
  ];
  const multipart = {
    ...base,
    properties: {
      ...(base['properties'] as Json | undefined),
      ...Object.fromEntries(
        files.map(([name, { description }]) => [name, { type: 'string', format: 'binary', description }]),
      ),
    },
    ...(required.length > 0 && { required }),
  };
  // Generators of clients take the first media type, and only multipart can carry a file.
  const content: Json = {};
  if (files.length > 0) content['multipart/form-data'] = { schema: multipart };
  if (files.every(([, file]) => !file.required)) content['application/x-www-form-urlencoded'] = { schema: base };
  if (files.length === 0) content['multipart/form-data'] = { schema: multipart };
  return { required: required.length > 0, content };
}

/** Text is text; everything else that is not JSON is bytes. */
const bodyOf = (mediaType: string): Json => ({
  schema: mediaType.startsWith('text/') ? { type: 'string' } : { type: 'string', format: 'binary' },
});

function response(spec: ResponseSpec, components: Components): Json {
  if (spec.schema)
    return {
      description: spec.description,
      content: { 'application/json': { schema: components.refer(spec.schema) } },
    };
  if (spec.content) return { description: spec.description, content: { [spec.content]: bodyOf(spec.content) } };
  return { description: spec.description };
}

/** Error responses that every request may get. */
const COMMON_ERRORS = {
  400: 'The request cannot be parsed, or its parts contradict each other',
  421: 'The `Host` is not a name of this server',
  503: 'The service is overloaded, or a dependency is unavailable; retry after the time in `Retry-After`',
} as const;

/** Error responses that follow from the guard and the inputs of an endpoint, so that no table has to repeat them. */
export function impliedErrors(endpoint: AnyEndpoint): Record<number, string> {
  const errors: Record<number, string> = { ...COMMON_ERRORS };
  if (endpoint.guard !== 'public') {
    errors[401] = 'The token is missing or invalid';
    if (endpoint.guard !== 'user') errors[403] = 'The user lacks the permission';
  }
  if (endpoint.method !== 'GET') {
    errors[403] ??= 'The request comes from a web page of another origin';
    errors[415] = 'This `Content-Type` is not supported';
  }
  if (endpoint.params || endpoint.query || endpoint.form || endpoint.json || endpoint.files)
    errors[422] = 'Fields are missing or invalid; `detail` lists each of them';
  if (endpoint.form || endpoint.json || endpoint.files) {
    errors[408] = 'The body arrived too slowly';
    errors[413] = 'The body or its file is too large';
  }
  if (endpoint.method !== 'GET') errors[507] = 'The server has no space left';
  return errors;
}

/** Ways to send a token. Only the auth service has the address at which a password is exchanged for one. */
function securitySchemes(endpoints: readonly AnyEndpoint[]): Json {
  const bearer = {
    type: 'http',
    scheme: 'bearer',
    bearerFormat: 'JWT',
    description: 'The `access_token` that `POST /auth/token` of the auth service returns.',
  };
  const login = endpoints.find(({ path }) => path === '/auth/token');
  return {
    BearerAuth: bearer,
    ...(login && {
      OAuth2PasswordBearer: { type: 'oauth2', flows: { password: { tokenUrl: 'auth/token', scopes: {} } } },
    }),
  };
}

/** The first sentence is the title of an endpoint; readers of the document see the rest below it. */
function textOf(summary: string): { summary: string; description: string } {
  const [first = summary] = summary.split(/(?<=\.) (?=[A-Z`])/, 1);
  return { summary: first.replace(/\.$/, ''), description: /[.!?]$/.test(summary) ? summary : `${summary}.` };
}

/** Makes the document of one service. Paths keep the order of the table. */
export function openApiDocument(info: ApiInfo, endpoints: readonly AnyEndpoint[]): Json {
  const paths: Record<string, Json> = {};
  const components = new Components();
  const errorContent = { 'application/json': { schema: components.refer(errorBody) } };
  const schemes = securitySchemes(endpoints);
  const security = Object.keys(schemes).map((name) => ({ [name]: [] }));
  for (const endpoint of endpoints) {
    const responses: Json = {};
    for (const [status, spec] of Object.entries(endpoint.responses))
      responses[status] =
        Number(status) >= 400 && !spec.schema && !spec.content
          ? { description: spec.description, content: errorContent }
          : response(spec, components);
    for (const [status, description] of Object.entries(impliedErrors(endpoint)))
      responses[status] ??= { description, content: errorContent };
    const body = requestBody(endpoint);
    const params = parameters(endpoint);
    const path = openPath(endpoint.documentedPath ?? endpoint.path);
    paths[path] ??= {};
    paths[path][endpoint.method.toLowerCase()] = {
      operationId: endpoint.id,
      tags: [endpoint.tag],
      ...textOf(endpoint.summary),
      security: endpoint.guard === 'public' ? [] : security,
      ...(params.length > 0 && { parameters: params }),
      ...(body && { requestBody: body }),
      responses,
    };
  }
  const tags = [...new Set(endpoints.map(({ tag }) => tag))];
  return {
    openapi: '3.1.0',
    info: { ...info, license: { name: 'MIT', identifier: 'MIT' } },
    servers: [{ url: '/', description: 'The service that serves this document' }],
    tags: tags.map((name) => ({ name, description: TAGS[name] ?? `Endpoints of ${name}.` })),
    paths,
    components: { schemas: components.schemas, securitySchemes: schemes },
  };
}
