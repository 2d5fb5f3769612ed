/** Makes OpenAPI 3.1 documents from the tables of endpoints. */
import { z } from 'zod';
import { PORTS } from '../constants.js';
import type { AnyEndpoint, ResponseSpec } from './endpoint.js';
import { errorBody } from './errors.js';
import { TAGS } from './tags.js';

export interface ApiInfo {
  readonly title: string;
  readonly version: string;
  readonly description: string;
}

type Json = Record<string, unknown>;
type ObjectSchema = Json & {
  readonly properties?: Record<string, Json>;
  readonly required?: readonly string[];
  readonly examples?: readonly unknown[];
};

/**
 * Removes JavaScript's range of exact integers, which says nothing to a reader, writes tuples of one type as arrays of a
 * fixed length, which more tools understand, and turns `meta({ example })` into the keyword of JSON Schema. (zod itself
 * drops `examples` from fields that it transforms.)
 */
function tidy({ jsonSchema }: { jsonSchema: Json }): void {
  if ('example' in jsonSchema) {
    jsonSchema['examples'] = [jsonSchema['example']];
    delete jsonSchema['example'];
  }
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

/** The components of one document: schemas with a name (`meta({ id })`), and those that refer to themselves. */
class Components {
  readonly schemas: Record<string, Json> = {};

  /** The schema of a response: a reference if the schema has a name. */
  ofResponse(schema: z.ZodType): Json {
    // Inside an object a schema with a name becomes a definition; alone it would be written out.
    const { properties, $defs } = jsonSchemaOf(z.object({ root: schema }), 'output') as {
      properties: { root: Json };
    } & Json;
    return this.#adopt({ ...properties.root, $defs });
  }

  /** The schema of a part of a request. Names get a prefix, because plugins may choose the same ones. */
  ofRequest(endpoint: AnyEndpoint, part: 'params' | 'query' | 'form' | 'json'): ObjectSchema {
    const schema: z.ZodType | undefined = endpoint[part];
    return schema ? this.#adopt(jsonSchemaOf(schema, 'input'), `${endpoint.id}.${part}.`) : {};
  }

  /** JSON Schema keeps definitions inside of the schema, OpenAPI in the document. */
  #adopt(schema: Json, prefix = ''): Json {
    const { $defs = {}, ...rest } = JSON.parse(
      JSON.stringify(schema).replaceAll('"$ref":"#/$defs/', `"$ref":"#/components/schemas/${prefix}`),
    ) as { $defs?: Record<string, Json> } & Json;
    for (const [name, { id: _, ...definition }] of Object.entries($defs)) this.schemas[prefix + name] ??= definition;
    return rest;
  }
}

const openPath = (path: string): string => path.replace(/\{(\w+)\*\}/g, '{$1}');

function parameters(endpoint: AnyEndpoint, components: Components): Json[] {
  return (['params', 'query'] as const).flatMap((part) => {
    const { properties = {}, required = [] } = components.ofRequest(endpoint, part);
    return Object.entries(properties).map(([name, { description, ...schema }]) => ({
      name,
      in: part === 'params' ? 'path' : 'query',
      required: part === 'params' || required.includes(name),
      ...(description !== undefined && { description }),
      schema,
    }));
  });
}

/**
 * The example of a body: that of its schema, otherwise the examples of its fields. Fields without one are left out, so that
 * a form that a page fills with the example can be sent. Without examples of all required fields there is none.
 */
function exampleOf({ examples, properties = {}, required = [] }: ObjectSchema): { readonly example?: unknown } {
  if (examples) return { example: examples[0] };
  const given = Object.entries(properties).flatMap(([name, field]) =>
    Array.isArray(field['examples']) ? [[name, field['examples'][0]] as const] : [],
  );
  const example = Object.fromEntries(given);
  return required.every((name) => Object.hasOwn(example, name)) ? { example } : {};
}

function requestBody(endpoint: AnyEndpoint, components: Components): Json | undefined {
  if (endpoint.json) {
    const schema = components.ofRequest(endpoint, 'json');
    return { required: true, content: { 'application/json': { schema, ...exampleOf(schema) } } };
  }
  if (!endpoint.form && !endpoint.files) return undefined;
  const fields: ObjectSchema = endpoint.form ? components.ofRequest(endpoint, 'form') : { type: 'object' };
  const files = Object.entries(endpoint.files ?? {});
  const requiredFiles = files.filter(([, file]) => file.required).map(([name]) => name);
  const required = [...(fields.required ?? []), ...requiredFiles];
  const parts = files.map(([name, { description }]) => [name, { type: 'string', format: 'binary', description }]);
  const withFiles = {
    ...fields,
    properties: { ...fields.properties, ...Object.fromEntries(parts) },
    ...(required.length > 0 && { required }),
  };
  const urlencoded = { 'application/x-www-form-urlencoded': { schema: fields, ...exampleOf(fields) } };
  const multipart = { 'multipart/form-data': { schema: withFiles, ...exampleOf(fields) } };
  return {
    required: required.length > 0,
    // Generators of clients take the first media type, and only multipart can carry a file.
    content: {
      ...(files.length === 0 && urlencoded),
      ...multipart,
      ...(files.length > 0 && requiredFiles.length === 0 && urlencoded),
    },
  };
}

/** Text is text; everything else that is not JSON is bytes. */
const bodyOf = (mediaType: string): Json => ({
  schema: mediaType.startsWith('text/') ? { type: 'string' } : { type: 'string', format: 'binary' },
});

function response(spec: ResponseSpec, components: Components): Json {
  if (spec.schema)
    return {
      description: spec.description,
      content: { 'application/json': { schema: components.ofResponse(spec.schema) } },
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

/**
 * Ways to send a token. Other services than auth name its address on a platform on this machine; a running service replaces
 * it by the address at which its client reaches auth.
 */
function securitySchemes(endpoints: readonly AnyEndpoint[]): Json {
  const isAuth = endpoints.some(({ path }) => path === '/auth/token');
  const tokenUrl = isAuth ? 'auth/token' : `http://localhost:${PORTS.auth}/auth/token`;
  return {
    BearerAuth: {
      type: 'http',
      scheme: 'bearer',
      bearerFormat: 'JWT',
      description: 'The `access_token` that `POST /auth/token` of the auth service returns.',
    },
    OAuth2PasswordBearer: { type: 'oauth2', flows: { password: { tokenUrl, scopes: {} } } },
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
  const errorContent = { 'application/json': { schema: components.ofResponse(errorBody) } };
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
    const body = requestBody(endpoint, components);
    const params = parameters(endpoint, components);
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
