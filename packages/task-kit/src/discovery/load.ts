/** Loads the definition from a plugin's module. Only definitions are loaded here, never the code that does the work. */
import { pathToFileURL } from 'node:url';
import { z } from 'zod';
import { type AnyTask, defineTask } from '../define.js';
import { type PluginKit, pluginKit } from '../kit.js';
import { describeIssue } from '../run/result.js';
import { taskSchemas } from '../schemas.js';

/**
 * Maximum time to load a module. One that takes longer waits for something at its top level, and would block the start
 * of the platform.
 */
const LOAD_TIMEOUT_MS = 10_000;

const definitionShape = z.looseObject({
  type: z.string(),
  version: z.string(),
  summary: z.string(),
  params: z.custom<object>(isSchema, 'params must be a z.object of form fields'),
  output: z.custom<object>(isSchema, 'output must be a z.object'),
  load: z.custom<() => Promise<unknown>>((value) => typeof value === 'function', 'load must be a function'),
});

/** Checks the shape instead of the class, because a plugin may have its own copy of zod. */
function isSchema(value: unknown): boolean {
  const schema = value as { safeParse?: unknown; shape?: unknown } | null;
  return typeof schema?.safeParse === 'function' && typeof schema.shape === 'object';
}

/** Imports the module of a plugin. @throws Error if it does not load in time */
export async function importPlugin(file: string, milliseconds = LOAD_TIMEOUT_MS): Promise<Record<string, unknown>> {
  if (/\.m?ts$/.test(file) && !process.features.typescript)
    throw new Error(
      `Node ${process.versions.node} cannot load TypeScript: use Node 22.18 or newer, or build it to .js`,
    );
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`its module did not load within ${milliseconds / 1000} s`)),
      milliseconds,
    );
  });
  try {
    return await Promise.race([import(pathToFileURL(file).href) as Promise<Record<string, unknown>>, late]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Loads a definition: the default export of the module, or its result if it is a function of the kit (a plugin in the
 * plugin folder has no packages to import from).
 * @throws Error that describes the fault in one sentence
 */
export async function loadDefinition(file: string): Promise<AnyTask> {
  const module = await importPlugin(file);
  const exported = module['default'];
  if (exported === undefined) throw new Error('its module has no default export');
  const made: unknown =
    typeof exported === 'function' ? await (exported as (kit: PluginKit) => unknown)(pluginKit) : exported;
  const checked = definitionShape.safeParse(made);
  if (!checked.success) {
    throw new Error(`its default export is not a task definition: ${describeIssue(checked.error)}`);
  }
  const definition = defineTask(made as AnyTask);
  try {
    taskSchemas(definition); // the service publishes the schemas, so faults must appear now
  } catch (error) {
    throw new Error(`its schemas have no JSON Schema: ${error instanceof Error ? error.message : String(error)}`);
  }
  return definition;
}
