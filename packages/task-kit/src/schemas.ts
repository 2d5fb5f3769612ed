/** JSON Schemas of tasks. */
import { z } from 'zod';
import type { AnyTask } from './define.js';

const jsonSchema = (schema: z.ZodType, io: 'input' | 'output'): Record<string, unknown> => {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any' });
  return rest;
};

type Properties = Record<string, Record<string, unknown>>;

/** Form fields are parsed from text, so zod knows their defaults only on the output side; callers also need them. */
function formSchema(params: z.ZodObject): Record<string, unknown> {
  const schema = jsonSchema(params, 'input') as Record<string, unknown> & { properties?: Properties };
  const properties = Object.entries(schema.properties ?? {}).map(([name, property]) => {
    const absent = params.shape[name]?.safeParse(undefined) as z.ZodSafeParseResult<unknown> | undefined;
    return [name, absent?.data === undefined ? property : { ...property, default: absent.data }] as const;
  });
  return { ...schema, properties: Object.fromEntries(properties) };
}

/** JSON Schemas of a task (draft 2020-12): of its form fields and of `task_output`. */
export const taskSchemas = (
  task: AnyTask,
): { readonly params: Record<string, unknown>; readonly output: Record<string, unknown> } => ({
  params: formSchema(task.params),
  output: jsonSchema(task.output, 'output'),
});
