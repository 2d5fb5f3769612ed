/** The API documents: examples that fit, and descriptions where a reader needs them. */
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import {
  type AnyEndpoint,
  authEndpoints,
  builtInTasks,
  COMPUTE_API,
  computeEndpoints,
  openApiDocument,
  storeEndpoints,
  systemEndpoints,
  taskEndpoint,
} from '../src/index.js';

const tasks = Object.values(builtInTasks).map(({ type, summary, file, form }) =>
  taskEndpoint({ type, summary, file, params: form }),
);
const TABLES: readonly (readonly AnyEndpoint[])[] = [
  authEndpoints,
  storeEndpoints,
  [...computeEndpoints, ...tasks, ...systemEndpoints],
];
const all: readonly AnyEndpoint[] = [...new Set(TABLES.flat())];

type Body = { readonly content: Readonly<Record<string, { readonly example?: unknown }>> };
interface Operation {
  readonly operationId: string;
  readonly parameters?: readonly { readonly in: string; readonly name: string; readonly description?: string }[];
  readonly requestBody?: Body;
}
type Paths = Readonly<Record<string, Readonly<Record<string, Operation>>>>;
const operations = new Map(
  TABLES.flatMap((table) => Object.values(openApiDocument(COMPUTE_API, table)['paths'] as Paths))
    .flatMap((methods) => Object.values(methods))
    .map((operation) => [operation.operationId, operation]),
);

/** Forms carry texts. */
const asForm = (example: object) =>
  Object.fromEntries(Object.entries(example).map(([name, value]) => [name, String(value)]));

describe('the example of the body of', () => {
  it.each(all.filter(({ form, json }) => form || json).map((endpoint) => [endpoint.id, endpoint] as const))(
    '%s is accepted',
    (id, endpoint) => {
      const contents = Object.entries(operations.get(id)?.requestBody?.content ?? {});
      expect(contents.length).toBeGreaterThan(0);
      for (const [type, content] of contents) {
        expect([type, Object.keys(content)]).toEqual([type, ['schema', 'example']]);
        const { example } = content;
        const schema: z.ZodType = endpoint.json ?? endpoint.form;
        const sent = endpoint.json ? example : asForm(example as object);
        expect(schema.safeParse(sent).error?.issues ?? []).toEqual([]);
      }
    },
  );
});

/** The named schemas in an endpoint's answers, with their examples. */
function namedSchemas(): Map<string, { readonly schema: z.ZodType; readonly example: unknown }> {
  const found = new Map<string, { schema: z.ZodType; example: unknown }>();
  const visit = (schema: z.ZodType, seen: Set<z.ZodType>): void => {
    if (seen.has(schema)) return;
    seen.add(schema);
    const { id, example } = (z.globalRegistry.get(schema) ?? {}) as { id?: string; example?: unknown };
    if (id !== undefined) found.set(id, { schema, example });
    if (schema instanceof z.ZodObject) for (const part of Object.values(schema.shape)) visit(part as z.ZodType, seen);
    else if (schema instanceof z.ZodArray) visit(schema.element as z.ZodType, seen);
    else if (schema instanceof z.ZodNullable || schema instanceof z.ZodOptional)
      visit(schema.unwrap() as z.ZodType, seen);
  };
  for (const { responses } of all)
    for (const { schema } of Object.values(responses)) if (schema) visit(schema, new Set());
  return found;
}

describe('answers', () => {
  const named = namedSchemas();
  const WITH_EXAMPLE = [
    ...['AccessToken', 'User', 'Entity', 'EntityVersion', 'Pagination', 'SignedUrls', 'Face', 'KnownPerson'],
    ...['Intelligence', 'Job', 'JobCreated', 'TaskInfo', 'WorkerCapability', 'Capabilities'],
  ];

  it('have examples that fit their schemas', () => {
    const given = [...named].filter(([, { example }]) => example !== undefined);
    expect(given.map(([id]) => id)).toEqual(expect.arrayContaining(WITH_EXAMPLE));
    for (const [id, { schema, example }] of given)
      expect([id, schema.safeParse(example).error?.issues ?? []]).toEqual([id, []]);
  });
});

it('every query parameter is described', () => {
  const bare = [...operations.values()].flatMap(({ operationId, parameters = [] }) =>
    parameters.filter((one) => one.in === 'query' && !one.description).map(({ name }) => `${operationId} ${name}`),
  );
  expect(bare).toEqual([]);
});
