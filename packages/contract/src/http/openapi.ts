/** Makes OpenAPI 3.1 documents from the tables of endpoints. */
import { z } from 'zod';
import type { AnyEndpoint, ResponseSpec } from './endpoint.js';
import { errorBody } from './errors.js';

export interface ApiInfo {
  readonly title: string;
  readonly version: string;
  readonly description: string;
}

type Json = Record<string, unknown>;

/** A schema as JSON Schema, of the input that clients send or of the output that they receive. */
export const jsonSchemaOf = (schema: z.ZodType, io: 'input' | 'output'): Json => {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any' }) as Json;
  return rest;
};

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
  const content: Json = {};
  const files = Object.entries(endpoint.files ?? {});
  if (!files.some(([, file]) => file.required)) content['application/x-www-form-urlencoded'] = { schema: base };
  content['multipart/form-data'] = {
    schema: {
      ...base,
      properties: {
        ...(base.properties as Json | undefined),
        ...Object.fromEntries(
          files.map(([name, file]) => [name, { type: 'string', format: 'binary', description: file.description }]),
        ),
      },
      required: [
        ...((base.required as string[] | undefined) ?? []),
        ...files.filter(([, file]) => file.required).map(([name]) => name),
      ],
    },
  };
  return { content };
}

function response(spec: ResponseSpec): Json {
  if (spec.schema)
    return {
      description: spec.description,
      content: { 'application/json': { schema: jsonSchemaOf(spec.schema, 'output') } },
    };
  if (spec.content) return { description: spec.description, content: { [spec.content]: {} } };
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

/** Makes the document of one service. Paths keep the order of the table. */
export function openApiDocument(info: ApiInfo, endpoints: readonly AnyEndpoint[]): Json {
  const paths: Record<string, Json> = {};
  const errorSchema = { $ref: '#/components/schemas/Error' };
  for (const endpoint of endpoints) {
    const responses: Json = {};
    for (const [status, spec] of Object.entries(endpoint.responses))
      responses[status] =
        Number(status) >= 400 && !spec.schema && !spec.content
          ? {
              description: spec.description,
              content: { 'application/json': { schema: errorSchema } },
            }
          : response(spec);
    for (const [status, description] of Object.entries(impliedErrors(endpoint)))
      responses[status] ??= { description, content: { 'application/json': { schema: errorSchema } } };
    const body = requestBody(endpoint);
    const params = parameters(endpoint);
    const path = openPath(endpoint.path);
    paths[path] ??= {};
    paths[path][endpoint.method.toLowerCase()] = {
      operationId: endpoint.id,
      tags: [endpoint.tag],
      summary: endpoint.summary,
      ...(endpoint.guard !== 'public' && { security: [{ OAuth2PasswordBearer: [] }] }),
      ...(params.length > 0 && { parameters: params }),
      ...(body && { requestBody: body }),
      responses,
    };
  }
  return {
    openapi: '3.1.0',
    info,
    paths,
    components: {
      schemas: { Error: jsonSchemaOf(errorBody, 'output') },
      securitySchemes: {
        OAuth2PasswordBearer: {
          type: 'oauth2',
          flows: { password: { tokenUrl: 'auth/token', scopes: {} } },
        },
      },
    },
  };
}
